//! WebGL 2: places and colours of all dots lie on the graphics card, a frame sends it no more than where the camera is.

use wasm_bindgen::prelude::*;
use web_sys::{HtmlCanvasElement, WebGl2RenderingContext as Gl, WebGlBuffer, WebGlProgram, WebGlUniformLocation};

use crate::map::camera::Camera;
use crate::map::palette::Rgb;

/// Red, green, blue, strength; shape and [`Layer`]; two bytes that keep the next one aligned.
pub(super) type Look = [u8; 8];

const SHAPE_AT: i32 = 4;
/// How far beyond the picture dots are still drawn, in pixels: more than half of any.
const MARGIN_PX: u32 = 32;

/// Which dots lie on which.
#[derive(Clone, Copy)]
pub(super) enum Layer {
    Hidden,
    Below,
    Top,
}

/// What a frame looks like.
pub(super) struct View {
    /// Width and height in device pixels.
    pub size: [u32; 2],
    pub ground: Rgb,
    pub camera: Camera,
    /// Device pixels for one unit of the map.
    pub scale: f64,
    /// Of a dot, in device pixels.
    pub radius: f64,
}

/// A canvas that nobody sees, drawn by the graphics card.
pub(super) struct Graphics {
    canvas: HtmlCanvasElement,
    gl: Gl,
    places: WebGlBuffer,
    looks: WebGlBuffer,
    uniforms: Uniforms,
    count: i32,
}

struct Uniforms {
    camera: WebGlUniformLocation,
    side: WebGlUniformLocation,
    radius: WebGlUniformLocation,
    layer: WebGlUniformLocation,
}

impl Graphics {
    /// `None` without WebGL 2; and where it is only imitated by the processor, which our own pixels do faster, unless
    /// `even_slow`.
    pub fn open(even_slow: bool) -> Option<Self> {
        let canvas: HtmlCanvasElement = leptos::prelude::document().create_element("canvas").ok()?.dyn_into().ok()?;
        let options = js_sys::Object::new();
        let wishes = [
            ("alpha", false),
            ("antialias", false),
            ("depth", false),
            ("preserveDrawingBuffer", true),
            ("failIfMajorPerformanceCaveat", !even_slow),
        ];
        for (key, value) in wishes {
            js_sys::Reflect::set(&options, &key.into(), &value.into()).ok()?;
        }
        let gl: Gl = canvas.get_context_with_context_options("webgl2", &options).ok()??.dyn_into().ok()?;
        if !even_slow && is_imitated(&gl) {
            return None;
        }
        let program = program(&gl)?;
        gl.use_program(Some(&program));
        let uniform = |name: &str| gl.get_uniform_location(&program, name);
        let uniforms = Uniforms {
            camera: uniform("camera")?,
            side: uniform("side")?,
            radius: uniform("radius")?,
            layer: uniform("layer")?,
        };
        let (places, looks) = (gl.create_buffer()?, gl.create_buffer()?);
        gl.bind_buffer(Gl::ARRAY_BUFFER, Some(&places));
        gl.vertex_attrib_pointer_with_i32(0, 2, Gl::FLOAT, false, 0, 0);
        gl.bind_buffer(Gl::ARRAY_BUFFER, Some(&looks));
        let stride = size_of::<Look>() as i32;
        gl.vertex_attrib_pointer_with_i32(1, 4, Gl::UNSIGNED_BYTE, true, stride, 0);
        gl.vertex_attrib_i_pointer_with_i32(2, 2, Gl::UNSIGNED_BYTE, stride, SHAPE_AT);
        (0..3).for_each(|at| gl.enable_vertex_attrib_array(at));
        gl.enable(Gl::BLEND);
        gl.blend_func(Gl::SRC_ALPHA, Gl::ONE_MINUS_SRC_ALPHA);
        Some(Self { canvas, gl, places, looks, uniforms, count: 0 })
    }

    /// True when the graphics card was taken away.
    pub fn is_lost(&self) -> bool {
        self.gl.is_context_lost()
    }

    pub const fn canvas(&self) -> &HtmlCanvasElement {
        &self.canvas
    }

    /// Where the dots are, in units of the map.
    pub fn place(&mut self, points: &[[f32; 2]]) {
        self.count = points.len() as i32;
        self.gl.bind_buffer(Gl::ARRAY_BUFFER, Some(&self.places));
        let values = js_sys::Float32Array::from(points.as_flattened());
        self.gl.buffer_data_with_array_buffer_view(Gl::ARRAY_BUFFER, &values, Gl::STATIC_DRAW);
    }

    /// What they look like, as many as [`Self::place`] had.
    pub fn look(&self, looks: &[Look]) {
        self.gl.bind_buffer(Gl::ARRAY_BUFFER, Some(&self.looks));
        self.gl.buffer_data_with_u8_array(Gl::ARRAY_BUFFER, looks.as_flattened(), Gl::DYNAMIC_DRAW);
    }

    /// Draws them into the canvas.
    pub fn draw(&self, view: &View) {
        let gl = &self.gl;
        let [width, height] = view.size;
        if (self.canvas.width(), self.canvas.height()) != (width, height) {
            self.canvas.set_width(width);
            self.canvas.set_height(height);
        }
        let margin = MARGIN_PX as i32;
        let whole = view.size.map(|side| side + 2 * MARGIN_PX);
        gl.viewport(-margin, -margin, whole[0] as i32, whole[1] as i32);
        let [red, green, blue] = view.ground.map(|value| f32::from(value) / 255.0);
        gl.clear_color(red, green, blue, 1.0);
        gl.clear(Gl::COLOR_BUFFER_BIT);
        let [right, up] = whole.map(|side| (view.scale * 2.0 / f64::from(side)) as f32);
        let Uniforms { camera, side, radius, layer } = &self.uniforms;
        gl.uniform4f(Some(camera), view.camera.x as f32, view.camera.y as f32, right, -up);
        // The farthest corner of any shape, and a pixel for its soft edge.
        gl.uniform1f(Some(side), (view.radius * 2.84 + 2.0) as f32);
        gl.uniform1f(Some(radius), view.radius as f32);
        for on in [Layer::Below, Layer::Top] {
            gl.uniform1ui(Some(layer), on as u32);
            gl.draw_arrays(Gl::POINTS, 0, self.count);
        }
    }
}

/// Whether the processor draws, which not every browser admits when it is asked for a fast context.
fn is_imitated(gl: &Gl) -> bool {
    const UNMASKED_RENDERER: u32 = 0x9246;
    const IMITATORS: [&str; 4] = ["swiftshader", "llvmpipe", "softpipe", "basic render"];
    if !gl.get_extension("WEBGL_debug_renderer_info").is_ok_and(|extension| extension.is_some()) {
        return false;
    }
    let name = gl.get_parameter(UNMASKED_RENDERER).ok().and_then(|name| name.as_string());
    name.is_some_and(|name| IMITATORS.iter().any(|imitator| name.to_lowercase().contains(imitator)))
}

fn program(gl: &Gl) -> Option<WebGlProgram> {
    let program = gl.create_program()?;
    for (kind, source) in
        [(Gl::VERTEX_SHADER, include_str!("dots.vert")), (Gl::FRAGMENT_SHADER, include_str!("dots.frag"))]
    {
        let shader = gl.create_shader(kind)?;
        gl.shader_source(&shader, source);
        gl.compile_shader(&shader);
        gl.attach_shader(&program, &shader);
    }
    gl.link_program(&program);
    gl.get_program_parameter(&program, Gl::LINK_STATUS).as_bool()?.then_some(program)
}
