//! What lies around and over the map: the scale bar, coordinates under the pointer, the grid of degrees, and where in the world it is.

use leptos::html::{Canvas, Div};
use leptos::prelude::*;
use leptos::task::spawn_local;
use wasm_bindgen_futures::JsFuture;
use web_sys::{CanvasRenderingContext2d, HtmlCanvasElement};

use super::paint::context_of;
use super::state::{SceneMap, use_map};
use crate::fetch;
use crate::scene::basemap::{Basemap, Line, Window};
use crate::scene::ruler::{GridLine, bar, graticule, place_in_words};

/// Longest scale bar.
const BAR_PX: f64 = 120.0;
/// The locator's size.
const LOCATOR_PX: [f64; 2] = [168.0, 126.0];
/// Sea, land, borders and the mark of the picture.
const COLOURS: [&str; 4] = ["#c9dcec", "#f2efe6", "#9a9484", "#c2264b"];

/// Meridians and parallels over the picture.
#[component]
pub fn Graticule() -> impl IntoView {
    let map = use_map();
    let lines = Memo::new(move |_| {
        let card = map.card.get().filter(|_| map.has_graticule.get())?;
        let grid = card.grid;
        Some((grid.width, grid.height, graticule(card.georeference.as_ref()?, grid.width, grid.height)))
    });
    move || {
        lines.get().map(|(width, height, lines)| {
            let paths = lines.iter().map(|line| view! { <path d=path_of(line)></path> }).collect_view();
            let labels = lines.iter().filter_map(|line| label_of(line, width, height)).collect_view();
            view! {
                <svg
                    class="scene-graticule"
                    aria-hidden="true"
                    viewBox=format!("0 0 {width} {height}")
                    preserveAspectRatio="none"
                >
                    {paths}
                </svg>
                {labels}
            }
        })
    }
}

fn path_of(line: &GridLine) -> String {
    line.pieces.iter().map(|[[x, y], [x2, y2]]| format!("M{x:.2} {y:.2}L{x2:.2} {y2:.2}")).collect()
}

/// The line's label where it meets the upper or the left edge.
fn label_of(line: &GridLine, width: usize, height: usize) -> Option<impl IntoView + use<>> {
    let axis = usize::from(line.is_meridian);
    let end = line.pieces.iter().flatten().min_by(|a, b| a[axis].total_cmp(&b[axis]))?;
    let percent = |value: f64, whole: usize| format!("{:.3}%", value / whole.max(1) as f64 * 100.0);
    let (left, top) = (percent(end[0], width), percent(end[1], height));
    let class = if line.is_meridian { "scene-degree meridian" } else { "scene-degree" };
    Some(view! { <span class=class aria-hidden="true" style:left=left style:top=top>{line.label.clone()}</span> })
}

/// How long something on the map is, and what is under the pointer.
#[component]
pub fn Ruler(
    /// What the picture is seen through.
    frame: NodeRef<Div>,
    /// The pixel of the picture under the pointer.
    pointer: RwSignal<Option<[f64; 2]>>,
) -> impl IntoView {
    let map = use_map();
    let width_px = RwSignal::new(0.0_f64);
    let measure = move || {
        // The picture has its size in the next frame.
        request_animation_frame(move || {
            let stack = frame.get_untracked().and_then(|frame| frame.first_element_child());
            if let Some(stack) = stack {
                width_px.set(stack.get_bounding_client_rect().width());
            }
        });
    };
    Effect::new(move |_| {
        map.zoom.track();
        map.card.track();
        frame.track();
        measure();
    });
    let listener = window_event_listener(leptos::ev::resize, move |_| measure());
    on_cleanup(move || listener.remove());
    let scale = Memo::new(move |_| {
        let card = map.card.get()?;
        let grid = card.grid;
        let picture_px = grid.width as f64 / width_px.get();
        let pixel_m = card.georeference.as_ref().map(|place| place.pixel_m(grid.width, grid.height));
        bar(picture_px * pixel_m.unwrap_or(1.0), BAR_PX, pixel_m.is_some())
    });
    let words = move || {
        let [x, y] = pointer.get()?;
        map.card.with(|card| card.as_ref().map(|card| place_in_words(card, x, y)))
    };
    view! {
        <div class="scene-ruler">
            {move || {
                scale.get().map(|bar| {
                    view! {
                        <span class="scale-ruler" role="img" aria-label=format!("Scale: the bar is {} long", bar.label)>
                            <span class="scale-ruler-bar" aria-hidden="true" style:width=format!("{:.1}px", bar.px)></span>
                            <span aria-hidden="true">{bar.label.clone()}</span>
                        </span>
                    }
                })
            }}
            <span class="scene-coordinates">{words}</span>
        </div>
    }
}

/// A small map of the part of the world that the picture is in.
#[component]
pub fn Locator() -> impl IntoView {
    let map = use_map();
    let canvas = NodeRef::<Canvas>::new();
    let middle = Memo::new(move |_| middle_of(map));
    let world = RwSignal::new(None::<Basemap>);
    Effect::new(move |_| {
        if middle.get().is_some() && world.with_untracked(Option::is_none) {
            spawn_local(async move {
                // Without it, the map says where it is in words.
                if let Some(found) = load().await {
                    world.try_set(Some(found));
                }
            });
        }
    });
    Effect::new(move |_| {
        if let (Some(canvas), Some(middle)) = (canvas.get(), middle.get()) {
            world.with(|world| world.as_ref().map(|world| draw(&canvas, world, middle)));
        }
    });
    view! {
        <Show when=move || middle.get().is_some() && world.with(Option::is_some)>
            <figure class="scene-locator">
                <canvas
                    node_ref=canvas
                    role="img"
                    width=LOCATOR_PX[0].to_string()
                    height=LOCATOR_PX[1].to_string()
                    aria-label=move || middle.get().map(|[longitude, latitude]| {
                        format!("Where it is: {latitude:.2} degrees north, {longitude:.2} degrees east")
                    })
                ></canvas>
                <figcaption class="note">"Land and borders: Natural Earth"</figcaption>
            </figure>
        </Show>
    }
}

/// Longitude and latitude of the picture's middle, where they are known.
fn middle_of(map: SceneMap) -> Option<[f64; 2]> {
    map.card.with(|card| {
        let card = card.as_ref()?;
        let place = card.georeference.as_ref()?;
        let own = place.place(card.grid.width as f64 / 2.0, card.grid.height as f64 / 2.0);
        place.degrees(own).or_else(|| place.is_geographic.then_some(own))
    })
}

async fn load() -> Option<Basemap> {
    let blob = fetch::blob("basemap/world.bin").await.ok()?;
    let buffer = JsFuture::from(blob.array_buffer()).await.ok()?;
    Basemap::read(&js_sys::Uint8Array::new(&buffer).to_vec())
}

fn draw(canvas: &HtmlCanvasElement, world: &Basemap, middle: [f64; 2]) {
    let Some(context) = context_of(canvas) else { return };
    let window = Window::around(middle, LOCATOR_PX);
    let [sea, land, border, mark] = COLOURS;
    context.set_fill_style_str(sea);
    context.fill_rect(0.0, 0.0, LOCATOR_PX[0], LOCATOR_PX[1]);
    context.begin_path();
    world.land.iter().for_each(|line| trace(&context, &window, line));
    context.set_fill_style_str(land);
    context.fill();
    context.begin_path();
    world.borders.iter().for_each(|line| trace(&context, &window, line));
    context.set_stroke_style_str(border);
    context.set_line_width(0.75);
    context.stroke();
    let [x, y] = window.pixel(middle);
    context.set_stroke_style_str(mark);
    context.set_line_width(2.0);
    context.stroke_rect(x - 5.0, y - 5.0, 10.0, 10.0);
}

fn trace(context: &CanvasRenderingContext2d, window: &Window, line: &Line) {
    for turn in Window::TURNS {
        for (at, [longitude, latitude]) in line.iter().enumerate() {
            let [x, y] = window.pixel([longitude + turn, *latitude]);
            if at == 0 { context.move_to(x, y) } else { context.line_to(x, y) }
        }
    }
}
