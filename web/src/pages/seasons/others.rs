//! The same place against other places: can they be told apart by similarity alone?

use leptos::prelude::*;

use super::state::{Place, use_seasons};
use crate::decimal::decimal;
use crate::season::pairs::{Histogram, Pairs};
use crate::session::use_session;
use crate::wording::grouped;

/// Bars of the histogram.
const STEPS: usize = 40;
/// Its drawing.
const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 100.0;

/// Two histograms, a threshold to move, and the curve of all thresholds.
#[component]
pub fn Others() -> impl IntoView {
    let (session, seasons) = (use_session(), use_seasons());
    let is_for_all = RwSignal::new(false);
    let moved = RwSignal::new(None::<f32>);
    let read = move || {
        let is_read = |place: &Place| place.shots.iter().all(|shot| shot.directions.is_some());
        seasons.places.with(|places| (places.iter().filter(|place| is_read(place)).count(), places.len()))
    };
    let pairs = Memo::new(move |_| {
        let space = seasons.space(session);
        let focus = seasons.place_index()?;
        seasons.places.with(|places| {
            let directions: Option<Vec<Vec<Vec<f32>>>> = places.iter().map(|place| place.directions(space)).collect();
            let directions = directions?;
            let slices: Vec<&[Vec<f32>]> = directions.iter().map(Vec::as_slice).collect();
            Some(Pairs::of(&slices, (!is_for_all.get()).then_some(focus)))
        })
    });
    Effect::new(move |_| {
        // Another place, another space: the best threshold is another one.
        pairs.track();
        moved.set(None);
    });
    view! {
        <article class="card" aria-labelledby="others-title">
            <h2 id="others-title">"The same place against other places"</h2>
            <fieldset class="scope">
                <legend class="note">"Pairs of dates of"</legend>
                <label>
                    <input type="radio" name="scope" prop:checked=move || !is_for_all.get() on:change=move |_| is_for_all.set(false) />
                    "this place"
                </label>
                <label>
                    <input type="radio" name="scope" prop:checked=move || is_for_all.get() on:change=move |_| is_for_all.set(true) />
                    "all places"
                </label>
            </fieldset>
            {move || match pairs.get() {
                Some(pairs) => view! { <Separation pairs=pairs moved=moved /> }.into_any(),
                None => {
                    let (done, total) = read();
                    view! {
                        <p class="note">{format!("Reading all places: {done} of {total} …")}</p>
                        <progress value=done as f64 max=total as f64 aria-label="Places read"></progress>
                    }
                        .into_any()
                }
            }}
            <p class="note">{move || seasons.about().note}</p>
        </article>
    }
}

#[component]
fn Separation(
    pairs: Pairs,
    /// Where the user has put the threshold.
    moved: RwSignal<Option<f32>>,
) -> impl IntoView {
    let (Some(histogram), Some(best), Some(area)) = (pairs.histogram(STEPS), pairs.best_threshold(), pairs.area())
    else {
        return view! { <p class="note">"There are no other places to compare with."</p> }.into_any();
    };
    let (low, high) = (histogram.low, histogram.high);
    let threshold = move || moved.get().unwrap_or(best);
    let (same, other) = (pairs.same.len(), pairs.other.len());
    let curve: String =
        pairs.curve().iter().map(|(x, y)| format!("{:.2},{:.2} ", x * 100.0, 100.0 - y * 100.0)).collect();
    let pairs = StoredValue::new(pairs);
    let rates = move || pairs.with_value(|pairs| pairs.rates(threshold()));
    let share = move || f64::from((threshold() - low) / (high - low).max(1e-6)).clamp(0.0, 1.0);
    let sentence = move || {
        let rates = rates();
        let counted = |share: f64, of: usize| {
            let count = grouped((share * of as f64).round() as usize);
            format!("{count} of {} ({:.1} %)", grouped(of), share * 100.0)
        };
        format!(
            "Pairs at or over {:.3} count as the same place. Of the pairs of one place, {} do; of those of two places, wrongly, {}.",
            threshold(),
            counted(rates.hits, same),
            counted(rates.false_alarms, other),
        )
    };
    let step = f64::from((high - low) / 500.0).max(1e-5);
    view! {
        <p class="legend">
            <span><span class="key same" aria-hidden="true"></span>"Two dates of one place"</span>
            <span><span class="key other" aria-hidden="true"></span>"Dates of two places"</span>
        </p>
        <div class="histogram">
            <svg
                viewBox=format!("0 0 {WIDTH} {HEIGHT}")
                preserveAspectRatio="none"
                role="img"
                aria-label=format!("Histogram of similarities from {low:.2} to {high:.2}: pairs of one place and pairs of two places")
            >
                {bars(&histogram)}
                <line class="threshold" y1="0" y2=HEIGHT x1=move || share() * WIDTH x2=move || share() * WIDTH />
            </svg>
            <input
                type="range"
                aria-label="Threshold"
                min=low
                max=high
                step=step
                prop:value=move || f64::from(threshold())
                aria-valuetext=move || format!("{:.3}", threshold())
                on:input=move |event| moved.set(decimal(&event_target_value(&event)).map(|value| value as f32))
            />
            <p class="ends">
                <span>{format!("{low:.2}")}</span>
                <span>"similarity"</span>
                <span>{format!("{high:.2}")}</span>
            </p>
        </div>
        <div class="separation">
            <svg class="roc" viewBox="-2 -2 104 104" role="img" aria-label=format!("Hits against false alarms at every threshold; the area under the curve is {area:.3}")>
                <path class="roc-frame" d="M0 0V100H100" />
                <path class="roc-chance" d="M0 100 100 0" />
                <polyline points=curve />
                <circle r="3.5" cx=move || rates().false_alarms * 100.0 cy=move || 100.0 - rates().hits * 100.0 />
            </svg>
            <div>
                <p aria-live="polite">{sentence}</p>
                <p class="area">
                    <strong>{format!("Area under the curve {area:.3}")}</strong>
                    {format!(
                        ": of a pair of one place and a pair of two places, the first is the more alike {} times in 100. 50 would be chance.",
                        (area * 100.0).round(),
                    )}
                </p>
                <p class="note">"The curve shows hits (upwards) against false alarms (to the right) at every threshold."</p>
            </div>
        </div>
    }
    .into_any()
}

fn bars(histogram: &Histogram) -> impl IntoView + use<> {
    let top = histogram.same.iter().chain(&histogram.other).copied().fold(f64::MIN_POSITIVE, f64::max);
    let width = WIDTH / STEPS as f64;
    let kind = |class: &'static str, shares: &[f64]| {
        shares
            .iter()
            .enumerate()
            .filter(|(_, share)| **share > 0.0)
            .map(|(index, share)| {
                let height = share / top * (HEIGHT - 4.0);
                view! { <rect class=class x=index as f64 * width y=HEIGHT - height width=width - 1.0 height=height /> }
            })
            .collect_view()
    };
    (kind("other", &histogram.other), kind("same", &histogram.same))
}
