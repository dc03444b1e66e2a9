//! What the page knows of the user's own classes, as signals; it outlives the page, and the tiles on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use leptos::prelude::*;
use leptos::task::spawn_local;

use crate::label::book::Book;
use crate::label::file;
use crate::label::head::Head;
use crate::label::leave_one_out::{LeftOut, MAX_PARTS};
use crate::label::own::{Own, OwnClasses};
use crate::pause::breathe;
use crate::problem::Problem;
use crate::scope::{Scope, Slot};
use crate::session::{Session, remember, remembered};
use crate::state::{Phase, TileEntry};
use crate::stored;

/// Tiles whose answers come before the page applies the head to them: one by one would be work for the square of them.
const APPLY_EVERY: usize = 32;

/// How far the leave-one-out figure has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Figure {
    /// There is nothing to leave out.
    #[default]
    None,
    /// Heads learned, and in all.
    Working(usize, usize),
    /// Here it is.
    Done(Arc<LeftOut>),
}

/// Whether single keys mark tiles, in local storage.
const KEYS_KEY: &str = "marking-keys";
/// Classes and marks, in this browser's database; one entry for each model.
const STORED_KEY: &str = "labels";
/// How long after a change it is stored: marks come one after the other.
const STORED_AFTER: std::time::Duration = std::time::Duration::from_millis(400);

/// Everything that [`Labels::forget`] took away.
#[derive(Clone, PartialEq)]
pub struct Forgotten {
    book: Book,
    head: Option<Arc<Head>>,
    learned_ms: Option<f64>,
}

/// The whole state, cheap to copy into every component.
#[derive(Clone, Copy)]
pub struct Labels {
    /// The page's session.
    pub session: Session,
    /// Classes and marked tiles.
    pub book: RwSignal<Book>,
    /// What was learned from them, or read from a file.
    pub head: RwSignal<Option<Arc<Head>>>,
    /// Milliseconds that learning took; none for a head from a file.
    pub learned_ms: RwSignal<Option<f64>>,
    /// How good it is.
    pub figure: RwSignal<Figure>,
    /// One for each tile on the page: its mark, and what the head says.
    pub own: RwSignal<Arc<Vec<Own>>>,
    /// Tiles that the next mark goes to.
    pub chosen: RwSignal<BTreeSet<usize>>,
    /// Whether table and answer show the user's classes, once there is a head.
    pub is_shown: RwSignal<bool>,
    /// Whether the panel is open.
    pub is_open: RwSignal<bool>,
    /// Whether single keys mark tiles.
    pub has_keys: RwSignal<bool>,
    /// What was forgotten last, for those who are sorry.
    pub forgotten: RwSignal<Option<Forgotten>>,
    /// What could not be done.
    pub problem: RwSignal<Option<Problem>>,
    /// What was done last, in words.
    pub said: RwSignal<String>,
    /// Leaving tiles of the book out: a newer book begins anew.
    leaving_out: StoredValue<Slot>,
    /// The model that the embeddings in the book are of.
    model: StoredValue<Option<String>>,
    /// The set of tiles that `own` belongs to.
    tile_set: StoredValue<Option<Scope>>,
    /// Marks of tiles that the model in use has not answered yet, after another model was.
    pending: StoredValue<Vec<Option<usize>>>,
}

impl Labels {
    /// Nothing is named or marked yet; follows the session as long as the caller lives.
    #[must_use]
    pub fn new(session: Session) -> Self {
        let labels = Self {
            session,
            book: RwSignal::new(Book::default()),
            head: RwSignal::new(None),
            learned_ms: RwSignal::new(None),
            figure: RwSignal::new(Figure::None),
            own: RwSignal::new(Arc::default()),
            chosen: RwSignal::new(BTreeSet::new()),
            is_shown: RwSignal::new(true),
            is_open: RwSignal::new(false),
            has_keys: RwSignal::new(remembered(KEYS_KEY).as_deref() != Some("off")),
            forgotten: RwSignal::new(None),
            problem: RwSignal::new(None),
            said: RwSignal::new(String::new()),
            leaving_out: StoredValue::new(Slot::default()),
            model: StoredValue::new(None),
            tile_set: StoredValue::new(None),
            pending: StoredValue::new(Vec::new()),
        };
        labels.follow();
        labels.follow_store();
        labels
    }

    fn follow(self) {
        let session = self.session;
        let has_device = Memo::new(move |_| session.devices.with(|devices| devices.active.is_some()));
        Effect::new(move |_| self.learn(has_device));
        let progress = Memo::new(move |_| {
            let answered =
                session.tiles.with(|tiles| tiles.iter().filter(|tile| tile.outcome.answer().is_some()).count());
            let is_idle = session.phase.with(|phase| !matches!(phase, Phase::Running { .. }));
            (session.tiles.with(Vec::len), answered / APPLY_EVERY, is_idle.then_some(answered), session.tile_set.get())
        });
        let model = Memo::new(move |_| session.card.with(|card| card.as_ref().map(|card| card.sha256.clone())));
        Effect::new(move |_| {
            progress.track();
            self.head.track();
            self.book.track();
            self.apply(model.get());
        });
    }

    /// Brings back what an earlier visit marked, as soon as the model is known that it was marked for; keeps it from then on.
    fn follow_store(self) {
        let model = Memo::new(move |_| self.session.card.with(|card| card.as_ref().map(|card| card.sha256.clone())));
        let known = StoredValue::new(None::<String>);
        let storing = Slot::default();
        Effect::new(move |_| {
            let Some(model) = model.get() else { return };
            let scope = self.session.model.get_untracked();
            spawn_local(async move {
                let Ok(text) = scope.hold(stored::read(&store_key(&model))).await else { return };
                let card = self.session.card.get_untracked().unwrap_or_default();
                let is_free = self.book.with_untracked(Book::is_empty);
                // What this visit has marked goes before what an earlier one did; what cannot be read was of another release.
                if let Some(Ok((book, head))) = text.filter(|_| is_free).map(|text| file::read(&text, &card))
                    && !(book.is_empty() && head.is_none())
                {
                    let count = book.examples.len();
                    self.learned_ms.set(None);
                    self.head.set(head.map(Arc::new));
                    self.said.set(format!("{count} marked tiles of your last visit are here again."));
                    self.book.set(book);
                }
                known.set_value(Some(model));
            });
        });
        Effect::new(move |_| {
            self.book.track();
            self.head.track();
            let scope = storing.begin(&Scope::new());
            set_timeout(
                move || {
                    // Before the model is known, it is not known whose marks these are.
                    let model = self.session.card.with_untracked(|card| card.as_ref().map(|card| card.sha256.clone()));
                    let Some(model) =
                        model.filter(|model| !scope.is_over() && known.get_value().as_ref() == Some(model))
                    else {
                        return;
                    };
                    let is_empty =
                        self.book.with_untracked(Book::is_empty) && self.head.with_untracked(Option::is_none);
                    let text = (!is_empty).then(|| self.text());
                    spawn_local(async move {
                        match text {
                            Some(text) => {
                                stored::write(&store_key(&model), &text).await;
                            }
                            None => stored::remove(&store_key(&model)).await,
                        }
                    });
                },
                STORED_AFTER,
            );
        });
    }

    /// Switches marking by single keys on or off.
    pub fn choose_keys(self, has_keys: bool) {
        self.has_keys.set(has_keys);
        remember(KEYS_KEY, if has_keys { "on" } else { "off" });
    }

    /// Learns from the book, and leaves tiles out, in a worker of its own.
    fn learn(self, has_device: Memo<bool>) {
        let scope = self.leaving_out.get_value().begin(&Scope::new());
        let book = self.book.get();
        let parts = book.examples.iter().filter(|example| book.taught().contains(&example.class)).count();
        if book.taught().len() < 2 {
            // A head that came without its tiles stays until there are others.
            if !book.examples.is_empty() || self.learned_ms.get_untracked().is_some() {
                self.head.set(None);
                self.learned_ms.set(None);
            }
            return self.figure.set(Figure::None);
        }
        if !has_device.get() {
            return;
        }
        self.figure.set(Figure::Working(0, parts.min(MAX_PARTS)));
        spawn_local(async move {
            // Given up: there is a newer book.
            let _ = scope.hold(self.learn_elsewhere(book)).await;
        });
    }

    async fn learn_elsewhere(self, book: Book) {
        // Marks come one after the other: a moment later there may be a newer book.
        breathe().await;
        let told: Result<(), Problem> = async {
            let (head, elapsed_ms) = self.session.learn(&book).await?;
            let is_learned = head.is_some();
            self.head.set(head.map(Arc::new));
            self.learned_ms.set(is_learned.then_some(elapsed_ms));
            if !is_learned {
                return Ok(());
            }
            loop {
                let (done, all, report) = self.session.leave_out().await?;
                match report {
                    Some(report) => {
                        self.figure.set(Figure::Done(Arc::new(report)));
                        return Ok(());
                    }
                    None => self.figure.set(Figure::Working(done, all)),
                }
            }
        }
        .await;
        if let Err(problem) = told {
            self.figure.set(Figure::None);
            self.problem.set(Some(problem));
        }
    }

    /// Brings marks and own classes of the tiles on the page up to date.
    fn apply(self, model: Option<String>) {
        let tile_set = Some(self.session.tile_set.get_untracked());
        let count = self.session.tiles.with_untracked(Vec::len);
        let is_new_set = self.tile_set.get_value() != tile_set || self.own.with_untracked(|own| own.len() != count);
        if is_new_set {
            self.tile_set.set_value(tile_set);
            self.pending.set_value(Vec::new());
            self.chosen.set(BTreeSet::new());
        }
        let before = if is_new_set { Arc::default() } else { self.own.get_untracked() };
        if let Some(model) = model {
            let known = self.model.get_value();
            self.model.set_value(Some(model.clone()));
            if known.is_some_and(|known| known != model) {
                return self.start_over_with_marks(before.iter().map(|own| own.mark).collect());
            }
        }
        let (book, head) = (self.book.get_untracked(), self.head.get_untracked());
        let (mut own, mut news) = (Vec::with_capacity(count), Vec::new());
        self.session.tiles.with_untracked(|tiles| {
            for (index, tile) in tiles.iter().enumerate() {
                let Some(answer) = tile.outcome.answer() else {
                    // Being classified again: what was marked stays so.
                    own.push(Own { mark: before.get(index).and_then(|own| own.mark), ..Own::default() });
                    continue;
                };
                let pending = self.pending.try_update_value(|pending| pending.get_mut(index)?.take()).flatten();
                if let Some(class) = pending {
                    news.push((tile.name.clone(), answer.embedding.clone(), class));
                }
                let mark = pending.or_else(|| book.class_of(&tile.name, &answer.embedding));
                let probabilities = head.as_ref().map(|head| head.probabilities(&answer.embedding)).unwrap_or_default();
                own.push(Own { mark, probabilities });
            }
        });
        if **self.own.read_untracked() != own {
            self.own.set(Arc::new(own));
        }
        if !news.is_empty() {
            self.book.update(|book| {
                for (file, embedding, class) in news {
                    // The book has just been emptied: there is room for what it held.
                    let _ = book.mark(&file, &embedding, Some(class));
                }
            });
        }
    }

    /// Another model: its embeddings are others. Tiles on the page are marked again as they are answered; the rest is lost.
    fn start_over_with_marks(self, marks: Vec<Option<usize>>) {
        let kept = marks.iter().flatten().count();
        let lost = self.book.with_untracked(|book| book.examples.len()).saturating_sub(kept);
        self.pending.set_value(marks);
        self.learned_ms.set(None);
        self.head.set(None);
        self.forgotten.set(None);
        self.book.update(|book| book.examples.clear());
        if lost > 0 {
            self.said.set(format!(
                "Another model is in use: {lost} marked tiles are not on the page, so they could not be marked again for it."
            ));
        }
    }

    /// Marks tiles of the page, or takes their marks away; says what was done.
    pub fn mark(self, tiles: &BTreeSet<usize>, class: Option<usize>) {
        let entries: Vec<(String, Vec<f32>)> = self.session.tiles.with_untracked(|all| {
            let answered = |index: &usize| {
                let tile: &TileEntry = all.get(*index)?;
                Some((tile.name.clone(), tile.outcome.answer()?.embedding.clone()))
            };
            tiles.iter().filter_map(answered).collect()
        });
        self.mark_examples(entries, class);
    }

    /// Marks examples with their names and embeddings, or takes their marks away; says what was done.
    pub fn mark_examples(self, entries: Vec<(String, Vec<f32>)>, class: Option<usize>) {
        let mut outcome = Ok(());
        self.book.update(|book| {
            outcome = entries.iter().try_for_each(|(file, embedding)| book.mark(file, embedding, class));
        });
        let name = class.and_then(|class| self.book.with_untracked(|book| book.classes.get(class).cloned()));
        let count = match entries.len() {
            1 => "One tile".to_owned(),
            count => format!("{count} tiles"),
        };
        self.said.set(match (outcome, name) {
            (Err(problem), _) => problem,
            (Ok(()), _) if entries.is_empty() => "No tile is chosen, or none of them is classified yet.".to_owned(),
            (Ok(()), Some(name)) => format!("{count} marked as {name}."),
            (Ok(()), None) => format!("{count} not marked any more."),
        });
        self.chosen.set(BTreeSet::new());
    }

    /// The tiles that a mark would go to: the chosen ones, or the one in detail.
    #[must_use]
    pub fn targets(self) -> BTreeSet<usize> {
        let chosen = self.chosen.get_untracked();
        if chosen.is_empty() { BTreeSet::from([self.session.selected.get_untracked()]) } else { chosen }
    }

    /// Chooses a tile, or no longer.
    pub fn toggle(self, tile: usize) {
        self.chosen.update(|chosen| {
            if !chosen.remove(&tile) {
                chosen.insert(tile);
            }
        });
    }

    /// Reads labels and head from a file's text.
    pub fn load(self, name: &str, text: &str) {
        let card = self.session.card.get_untracked();
        let Some(card) = card else {
            return self.problem.set(Some(Problem::new(
                "The labels cannot be read yet",
                "No model is ready, so it cannot be known whether they are of it.",
                "Wait until the page says “Ready”, then load them again.",
            )));
        };
        match file::read(text, &card) {
            Ok((book, head)) => {
                self.problem.set(None);
                self.learned_ms.set(None);
                self.head.set(head.map(Arc::new));
                self.said.set(format!(
                    "{} classes and {} marked tiles read from {name}.",
                    book.classes.len(),
                    book.examples.len()
                ));
                self.book.set(book);
                self.is_open.set(true);
                self.is_shown.set(true);
            }
            Err(problem) => self.problem.set(Some(problem)),
        }
    }

    /// Labels and head as a file's text.
    #[must_use]
    pub fn text(self) -> String {
        let card = self.session.card.get_untracked().unwrap_or_default();
        let figure = self.figure.get_untracked();
        let left_out = if let Figure::Done(found) = &figure { Some(found.as_ref()) } else { None };
        let head = self.head.get_untracked();
        self.book.with_untracked(|book| file::write(&card, book, head.as_deref(), left_out))
    }

    /// Forgets classes, marks and head; [`Self::unforget`] brings them back.
    pub fn forget(self) {
        self.forgotten.set(Some(Forgotten {
            book: self.book.get_untracked(),
            head: self.head.get_untracked(),
            learned_ms: self.learned_ms.get_untracked(),
        }));
        self.learned_ms.set(None);
        self.head.set(None);
        self.problem.set(None);
        self.chosen.set(BTreeSet::new());
        self.book.set(Book::default());
        self.said.set("Everything was forgotten.".to_owned());
    }

    /// Brings back what was forgotten last.
    pub fn unforget(self) {
        let Some(Forgotten { book, head, learned_ms }) = self.forgotten.get_untracked() else { return };
        self.forgotten.set(None);
        self.learned_ms.set(learned_ms);
        self.head.set(head);
        self.book.set(book);
        self.said.set("What was forgotten is here again.".to_owned());
    }

    /// What table and files need to know.
    #[must_use]
    pub fn classes(self) -> OwnClasses {
        OwnClasses {
            named: self.book.with(|book| book.classes.clone()),
            learned: self.head.with(|head| head.as_ref().map(|head| head.classes.clone()).unwrap_or_default()),
            tiles: self.own.get(),
        }
    }

    /// The class that a tile is marked with: its number and name.
    #[must_use]
    pub fn mark_of(self, tile: usize) -> Option<(usize, String)> {
        let mark = self.own.with(|own| own.get(tile)?.mark)?;
        Some((mark, self.book.with(|book| book.classes.get(mark).cloned())?))
    }

    /// As [`Self::classes`], when there is a head and its classes are to be shown.
    #[must_use]
    pub fn shown_classes(self) -> Option<OwnClasses> {
        (self.is_shown.get() && self.head.with(Option::is_some)).then(|| self.classes())
    }

    /// The user's class of a tile and its probability, when those are shown.
    #[must_use]
    pub fn verdict(self, tile: usize) -> Option<(String, f32)> {
        if !self.is_shown.get() {
            return None;
        }
        let head = self.head.get()?;
        self.own.with(|own| {
            let (class, share) = own.get(tile)?.best()?;
            Some((head.classes.get(class)?.clone(), share))
        })
    }
}

/// The state that [`crate::app`] provides.
#[must_use]
pub fn use_labels() -> Labels {
    expect_context::<Labels>()
}

fn store_key(model: &str) -> String {
    format!("{STORED_KEY} {model}")
}
