//! The preview beside the pointer.

use leptos::prelude::*;

use super::state::use_explore;
use super::thumb::Thumb;
use crate::map::export::predicted;
use crate::wording::class_label;

/// Width that the preview needs, in CSS pixels.
const WIDTH_PX: f64 = 190.0;

/// A small card next to the hovered tile; nothing for those who cannot see it, as the list of neighbours says it all.
#[component]
pub fn Hover() -> impl IntoView {
    let explore = use_explore();
    move || {
        let (row, data) = (explore.hovered.get()?, explore.data()?);
        let frame = explore.frame.get();
        let point = data.layout(explore.projection.get()).points.get(row)?;
        let [x, y] = explore.camera.get().to_screen(frame, *point);
        // The map may have moved under the pointer.
        if !(0.0..=frame.width).contains(&x) || !(0.0..=frame.height).contains(&y) {
            return None;
        }
        let left = if x + WIDTH_PX + 16.0 > frame.width { (x - WIDTH_PX - 16.0).max(0.0) } else { x + 16.0 };
        let top = (y - 40.0).clamp(0.0, (frame.height - 90.0).max(0.0));
        let class = data.class(row).map(class_label).unwrap_or_else(|| "No label".to_owned());
        let votes = explore.votes.get();
        let vote = predicted(&data, &votes, row).map(|class| format!("Prediction: {}", class_label(class)));
        Some(view! {
            <div class="hover" aria-hidden="true" style:left=format!("{left}px") style:top=format!("{top}px")>
                <Thumb row=row side=64 />
                <div>
                    <p class="hover-class">{class}</p>
                    {vote.map(|vote| view! { <p>{vote}</p> })}
                    <p class="hover-name">{data.names[row].clone()}</p>
                </div>
            </div>
        })
    }
}
