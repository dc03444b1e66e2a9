//! Which part of the map is in view.
//!
//! World coordinates: every layout is brought to −1 … 1, see [`super::data`]. Screen coordinates: CSS pixels from the top
//! left corner of the map.

use crate::decimal::decimal;

/// Share of the frame's shorter side that the whole map takes at zoom 1.
const FILL: f64 = 0.92;
const ZOOMS: std::ops::RangeInclusive<f64> = 0.5..=500.0;
/// The centre stays on the map, or close by.
const REACH: f64 = 1.2;

/// The window on the screen, in CSS pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Frame {
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

/// Centre and magnification; independent of the size of the window, so that a link shows the same place everywhere.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Camera {
    /// World coordinate in the middle of the frame.
    pub x: f64,
    /// See `x`.
    pub y: f64,
    /// 1 shows the whole map.
    pub zoom: f64,
}

impl Default for Camera {
    fn default() -> Self {
        Self { x: 0.0, y: 0.0, zoom: 1.0 }
    }
}

impl Camera {
    /// Pixels for one unit of the world.
    #[must_use]
    pub fn scale(self, frame: Frame) -> f64 {
        self.zoom * FILL * frame.width.min(frame.height).max(1.0) / 2.0
    }

    /// World → screen.
    #[must_use]
    pub fn to_screen(self, frame: Frame, [x, y]: [f32; 2]) -> [f64; 2] {
        let scale = self.scale(frame);
        [(f64::from(x) - self.x) * scale + frame.width / 2.0, (f64::from(y) - self.y) * scale + frame.height / 2.0]
    }

    /// Screen → world.
    #[must_use]
    pub fn to_world(self, frame: Frame, [x, y]: [f64; 2]) -> [f64; 2] {
        let scale = self.scale(frame);
        [(x - frame.width / 2.0) / scale + self.x, (y - frame.height / 2.0) / scale + self.y]
    }

    /// Moves the map by so many pixels.
    #[must_use]
    pub fn panned(self, frame: Frame, [dx, dy]: [f64; 2]) -> Self {
        let scale = self.scale(frame);
        Self { x: self.x - dx / scale, y: self.y - dy / scale, ..self }.bounded()
    }

    /// Magnifies by `factor`; the point of the map at `about` (screen) stays where it is.
    #[must_use]
    pub fn zoomed(self, frame: Frame, about: [f64; 2], factor: f64) -> Self {
        let fixed = self.to_world(frame, about);
        let zoomed = Self { zoom: (self.zoom * factor).clamp(*ZOOMS.start(), *ZOOMS.end()), ..self };
        let moved = zoomed.to_world(frame, about);
        Self { x: zoomed.x + fixed[0] - moved[0], y: zoomed.y + fixed[1] - moved[1], ..zoomed }.bounded()
    }

    /// Looks at a place, at least `zoom` close.
    #[must_use]
    pub fn centred_on(self, [x, y]: [f32; 2], zoom: f64) -> Self {
        Self { x: f64::from(x), y: f64::from(y), zoom: self.zoom.max(zoom) }.bounded()
    }

    /// The spelling in the address: `x,y,zoom`.
    #[must_use]
    pub fn to_text(self) -> String {
        format!("{:.4},{:.4},{:.3}", self.x, self.y, self.zoom)
    }

    /// Reads [`Self::to_text`]; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let values: Vec<f64> = text.split(',').map(decimal).collect::<Option<_>>()?;
        let [x, y, zoom] = values[..] else { return None };
        values.iter().all(|value| value.is_finite()).then(|| Self { x, y, zoom }.bounded())
    }

    fn bounded(self) -> Self {
        Self {
            x: self.x.clamp(-REACH, REACH),
            y: self.y.clamp(-REACH, REACH),
            zoom: self.zoom.clamp(*ZOOMS.start(), *ZOOMS.end()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { width: 800.0, height: 500.0 };

    fn close(a: [f64; 2], b: [f64; 2]) -> bool {
        (a[0] - b[0]).hypot(a[1] - b[1]) < 1e-9
    }

    #[test]
    fn the_whole_map_fits_and_is_centred() {
        let camera = Camera::default();
        assert!(close(camera.to_screen(FRAME, [0.0, 0.0]), [400.0, 250.0]));
        assert!(close(camera.to_screen(FRAME, [1.0, -1.0]), [400.0 + 230.0, 250.0 - 230.0]));
    }

    #[test]
    fn screen_and_world_are_inverse() {
        let camera = Camera { x: 0.3, y: -0.2, zoom: 7.0 };
        let world = camera.to_world(FRAME, [123.0, 456.0]);
        assert!((camera.to_screen(FRAME, [world[0] as f32, world[1] as f32])[0] - 123.0).abs() < 1e-2);
    }

    #[test]
    fn zooming_keeps_the_point_under_the_finger_and_panning_moves_it_along() {
        let camera = Camera { x: 0.1, y: 0.2, zoom: 3.0 };
        let finger = [700.0, 90.0];
        let under = camera.to_world(FRAME, finger);
        assert!(close(camera.zoomed(FRAME, finger, 2.5).to_world(FRAME, finger), under));
        assert!(close(camera.panned(FRAME, [-30.0, 12.0]).to_world(FRAME, [670.0, 102.0]), under));
    }

    #[test]
    fn a_view_survives_the_address() {
        let camera = Camera { x: 0.1234, y: -0.5, zoom: 12.5 };
        assert_eq!(Camera::parse(&camera.to_text()).unwrap(), camera);
        for bad in ["", "1,2", "a,b,c", "1,2,3,4", "NaN,0,1", "inf,0,1"] {
            assert_eq!(Camera::parse(bad), None, "{bad}");
        }
        assert_eq!(Camera::parse("99,0,1e9").unwrap(), Camera { x: 1.2, y: 0.0, zoom: 500.0 });
    }
}
