//! The page's end of the conversation: starts a worker, waits for its `Hello`, asks, and matches answers to questions.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use js_sys::{Array, ArrayBuffer, Object, Reflect, Uint8Array};
use leptos::prelude::set_timeout;
use wasm_bindgen::prelude::*;
use web_sys::{Blob, BlobPropertyBag, ErrorEvent, MessageEvent, Url, Worker, WorkerOptions, WorkerType};

use super::capability::has_relaxed_simd;
use super::protocol::{Bundle, FromWorker, PROTOCOL_VERSION, ToWorker, reply_number};
use crate::fetch::address;
use crate::problem::Problem;

/// A message that is no final answer: bytes of the bundle, a tile's answer, an undecodable file, or the worker's death.
pub struct Event {
    /// The message.
    pub message: FromWorker,
    /// Width and RGBA bytes of a preview.
    pub preview: Option<(usize, Vec<u8>)>,
    /// What came beside any other message.
    pub buffers: Vec<Vec<u8>>,
}

/// A final answer with the buffers beside it, or why there is none.
type Reply = Result<(FromWorker, Vec<Vec<u8>>), Problem>;

/// Questions without an answer yet; once the worker is dead, what it died of.
type Pending = Rc<RefCell<Result<HashMap<u64, oneshot::Sender<Reply>>, Problem>>>;

/// A running worker.
pub struct Handle {
    worker: Worker,
    bundle: Bundle,
    pending: Pending,
    said: Rc<Said>,
    // Kept alive as long as the worker: it calls them.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_error: Closure<dyn FnMut(ErrorEvent)>,
}

/// What a worker's messages say beside their heads.
#[derive(Default)]
struct Said {
    module: RefCell<JsValue>,
    memory_bytes: Cell<f64>,
}

/// How long the few bytes that start a worker are kept.
const FORGET_SCRIPT_AFTER: Duration = Duration::from_secs(60);

/// `Hello` has no request number; its slot is this one.
const HELLO: u64 = 0;

thread_local! {
    /// No two questions of the page have the same number, whichever worker they go to.
    static NEXT_REQUEST: Cell<u64> = const { Cell::new(HELLO + 1) };
}

impl Handle {
    /// Starts the bundle's worker and waits until it listens. It compiles its program, unless it is given the `module` of
    /// one that has done so. It is bound by the page's policy: it can ask no other site for anything.
    ///
    /// # Errors
    /// When the worker cannot be started, its files are missing, or it is of another release.
    pub async fn open(
        bundle: Bundle,
        module: Option<JsValue>,
        on_event: impl Fn(Event) + 'static,
    ) -> Result<Self, Problem> {
        Self::start(bundle, module, true, on_event).await
    }

    /// As [`Self::open`], for the one worker that may fetch from other sites; it never sees a picture of the user's.
    ///
    /// # Errors
    /// When the worker cannot be started, its files are missing, or it is of another release.
    pub async fn open_reader(bundle: Bundle, module: Option<JsValue>) -> Result<Self, Problem> {
        Self::start(bundle, module, false, |_| ()).await
    }

    async fn start(
        bundle: Bundle,
        module: Option<JsValue>,
        is_bound: bool,
        on_event: impl Fn(Event) + 'static,
    ) -> Result<Self, Problem> {
        let (greet, greeting) = oneshot::channel();
        let pending: Pending = Rc::new(RefCell::new(Ok(HashMap::from([(HELLO, greet)]))));
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let from = if module.is_some() { "&module=posted" } else { "" };
        let file = if is_bound { "worker.js" } else { "reader.js" };
        let script = address(&format!("{file}?bundle={}{from}", bundle.file_stem(has_relaxed_simd())));
        let said = Rc::new(Said::default());
        let started =
            if is_bound { start_bound(&script, &options) } else { Worker::new_with_options(&script, &options) };
        let worker = started.map_err(|error| died(bundle, &format!("The browser refused to start it: {error:?}.")))?;
        let on_message = Closure::<dyn FnMut(MessageEvent)>::new({
            let (pending, said) = (Rc::clone(&pending), Rc::clone(&said));
            move |event: MessageEvent| {
                said.hear(&event.data());
                match read(&event.data()) {
                    Some(event) => dispatch(bundle, &pending, event, &on_event),
                    None => answer_unreadable(bundle, &pending, &event.data()),
                }
            }
        });
        let on_error = Closure::<dyn FnMut(ErrorEvent)>::new({
            let pending = Rc::clone(&pending);
            move |event: ErrorEvent| fail_all(&pending, &died(bundle, &event.message()))
        });
        worker.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        worker.set_onerror(Some(on_error.as_ref().unchecked_ref()));
        let handle = Self { worker, bundle, pending, said, _on_message: on_message, _on_error: on_error };
        if let Some(module) = module {
            let envelope = Object::new();
            // Setting a property of a fresh plain object cannot fail.
            let _ = Reflect::set(&envelope, &"module".into(), &module);
            let posted = handle.worker.post_message(&envelope);
            posted.map_err(|error| died(bundle, &format!("Its program could not be handed over: {error:?}.")))?;
        }
        match greeting.await.unwrap_or_else(|_| Err(died(bundle, "It closed before it spoke.")))?.0 {
            FromWorker::Hello { protocol: PROTOCOL_VERSION, bundle: found } if found == bundle => Ok(handle),
            _ => Err(Problem::new(
                "The page and its worker are of different releases",
                format!("The page speaks version {PROTOCOL_VERSION} of their protocol, {} another.", bundle.label()),
                "Reload the page without the cache (Ctrl-Shift-R).",
            )),
        }
    }

    /// Which bundle runs in it.
    #[must_use]
    pub const fn bundle(&self) -> Bundle {
        self.bundle
    }

    /// A number for the next question, like no other on the page.
    pub fn next_request(&self) -> u64 {
        NEXT_REQUEST.with(|next| next.replace(next.get() + 1))
    }

    /// False once it has crashed.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.pending.borrow().is_ok()
    }

    /// Its compiled program, for further workers; undefined before it came.
    #[must_use]
    pub fn module(&self) -> JsValue {
        self.said.module.borrow().clone()
    }

    /// Bytes of WebAssembly memory that it held when it last spoke.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.said.memory_bytes.get() as u64
    }

    /// Asks, and waits for the final answer. `buffers` are transferred: the page loses them.
    ///
    /// # Errors
    /// The worker's refusal, or its death.
    pub async fn ask(&self, request: u64, message: &ToWorker, buffers: &[ArrayBuffer]) -> Result<FromWorker, Problem> {
        self.ask_for_bytes(request, message, buffers).await.map(|(answer, _)| answer)
    }

    /// As [`Self::ask`], for answers that come with buffers.
    ///
    /// # Errors
    /// The worker's refusal, or its death.
    pub async fn ask_for_bytes(&self, request: u64, message: &ToWorker, buffers: &[ArrayBuffer]) -> Reply {
        let answer = self.expect(request)?;
        self.send(message, buffers)?;
        answer.await.unwrap_or_else(|_| Err(died(self.bundle, "It has stopped.")))
    }

    /// As [`Self::ask`], with a file that the worker reads by itself.
    ///
    /// # Errors
    /// The worker's refusal, or its death.
    pub async fn ask_about_file(&self, request: u64, message: &ToWorker, file: &Blob) -> Result<FromWorker, Problem> {
        let answer = self.expect(request)?;
        self.post(message, &[], Some(file))?;
        answer.await.unwrap_or_else(|_| Err(died(self.bundle, "It has stopped."))).map(|(answer, _)| answer)
    }

    /// Says something that is not answered.
    ///
    /// # Errors
    /// When the browser cannot hand over the buffers.
    pub fn send(&self, message: &ToWorker, buffers: &[ArrayBuffer]) -> Result<(), Problem> {
        self.post(message, buffers, None)
    }

    /// Where the answer to a question will come.
    fn expect(&self, request: u64) -> Result<oneshot::Receiver<Reply>, Problem> {
        let (sender, answer) = oneshot::channel();
        match self.pending.borrow_mut().as_mut() {
            Ok(pending) => pending.insert(request, sender),
            Err(cause) => return Err(cause.clone()),
        };
        Ok(answer)
    }

    fn post(&self, message: &ToWorker, buffers: &[ArrayBuffer], file: Option<&Blob>) -> Result<(), Problem> {
        let unsendable = |why: String| died(self.bundle, &why);
        let head = serde_json::to_string(message).map_err(|error| unsendable(error.to_string()))?;
        let (envelope, list) = (Object::new(), buffers.iter().collect::<Array>());
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&envelope, &"head".into(), &head.into());
        let _ = Reflect::set(&envelope, &"buffers".into(), &list);
        if let Some(file) = file {
            // Cloned by reference: its bytes stay where they are.
            let _ = Reflect::set(&envelope, &"file".into(), file);
        }
        self.worker
            .post_message_with_transfer(&envelope, &list)
            .map_err(|error| unsendable(format!("A message could not be posted: {error:?}.")))
    }
}

/// Starts a worker under the page's own policy. A worker of an address of its own has the policy that the server sends
/// with it, which on most hosts is none; one of an object inherits that of the page.
fn start_bound(script: &str, options: &WorkerOptions) -> Result<Worker, JsValue> {
    let text = format!("import {script:?};");
    let kind = BlobPropertyBag::new();
    kind.set_type("text/javascript");
    let blob = Blob::new_with_str_sequence_and_options(&Array::of1(&text.into()), &kind)?;
    let object = Url::create_object_url_with_blob(&blob)?;
    let worker = Worker::new_with_options(&object, options);
    // The object is read before the page gets on with anything else. Revoking an address cannot fail.
    set_timeout(move || drop(Url::revoke_object_url(&object)), FORGET_SCRIPT_AFTER);
    worker
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Messages that are on their way already must not meet closures that are gone.
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
        self.worker.terminate();
        fail_all(&self.pending, &died(self.bundle, "It was stopped."));
    }
}

impl Said {
    fn hear(&self, data: &JsValue) {
        if let Some(bytes) = Reflect::get(data, &"memory".into()).ok().and_then(|bytes| bytes.as_f64()) {
            self.memory_bytes.set(bytes);
        }
        if let Some(module) = Reflect::get(data, &"module".into()).ok().filter(JsValue::is_object) {
            *self.module.borrow_mut() = module;
        }
    }
}

/// Gives a message to who waits for it.
fn dispatch(bundle: Bundle, pending: &Pending, event: Event, on_event: &impl Fn(Event)) {
    let (request, reply) = match &event.message {
        FromWorker::Hello { .. } => (HELLO, Ok((event.message, event.buffers))),
        FromWorker::Loaded { request, .. }
        | FromWorker::GalleryReady { request, .. }
        | FromWorker::Map { request, .. }
        | FromWorker::Nearest { request, .. }
        | FromWorker::Votes { request }
        | FromWorker::Scene { request, .. }
        | FromWorker::SceneBroken { request, .. }
        | FromWorker::SceneCut { request, .. }
        | FromWorker::SceneEncoded { request, .. }
        | FromWorker::SceneSimilar { request }
        | FromWorker::Learned { request, .. }
        | FromWorker::LeftOut { request, .. }
        | FromWorker::Finished { request, .. } => (*request, Ok((event.message, event.buffers))),
        FromWorker::Refused { request: HELLO, problem } => {
            // It could not even read the number of the question: any of them may be the one.
            return fail_all(pending, problem);
        }
        FromWorker::Refused { request, problem } => (*request, Err(problem.clone())),
        FromWorker::Crashed { message } => {
            fail_all(pending, &died(bundle, message));
            on_event(event);
            return;
        }
        FromWorker::Fetching { .. }
        | FromWorker::Compiled
        | FromWorker::Classified { .. }
        | FromWorker::Embedded { .. }
        | FromWorker::Undecodable { .. } => {
            on_event(event);
            return;
        }
    };
    let waiting = pending.borrow_mut().as_mut().ok().and_then(|pending| pending.remove(&request));
    if let Some(sender) = waiting {
        // Nobody waits any more: the answer is stale.
        let _ = sender.send(reply);
    }
}

/// A reply that cannot be read: whoever waits for it is told, by its number; everybody, when it has none that is known.
fn answer_unreadable(bundle: Bundle, pending: &Pending, data: &JsValue) {
    let head = Reflect::get(data, &"head".into()).ok().and_then(|head| head.as_string()).unwrap_or_default();
    let waiting = reply_number(&head).and_then(|request| pending.borrow_mut().as_mut().ok()?.remove(&request));
    match waiting {
        Some(sender) => {
            // Nobody waits any more.
            let _ = sender.send(Err(Problem::misunderstood("a reply that cannot be read")));
        }
        None => fail_all(pending, &died(bundle, "It sent a message that cannot be read.")),
    }
}

/// The worker is dead: everybody who waits is told, and later questions are refused.
fn fail_all(pending: &Pending, problem: &Problem) {
    if pending.borrow().is_err() {
        return;
    }
    let waiting = pending.replace(Err(problem.clone()));
    for (_, sender) in waiting.into_iter().flatten() {
        // Nobody waits any more.
        let _ = sender.send(Err(problem.clone()));
    }
}

fn died(bundle: Bundle, why: &str) -> Problem {
    let why = if why.is_empty() { "Its files could not be loaded." } else { why };
    Problem::new(
        format!("The {} worker stopped", bundle.label()),
        why.lines().next().unwrap_or(why),
        "Try again, or choose the other device.",
    )
}

/// `{ head, buffers, preview_width? }` → message and preview.
fn read(data: &JsValue) -> Option<Event> {
    let head = Reflect::get(data, &"head".into()).ok()?.as_string()?;
    let message = serde_json::from_str(&head).ok()?;
    let width = Reflect::get(data, &"preview_width".into()).ok().and_then(|width| width.as_f64());
    let buffers: Array = Reflect::get(data, &"buffers".into()).ok()?.dyn_into().ok()?;
    let mut buffers: Vec<Vec<u8>> = buffers.iter().map(|buffer| Uint8Array::new(&buffer).to_vec()).collect();
    let preview = width.filter(|_| !buffers.is_empty()).map(|width| (width as usize, buffers.swap_remove(0)));
    Some(Event { message, preview, buffers })
}
