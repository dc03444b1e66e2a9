#version 300 es
// The shapes of `map/raster.rs`, by their distance from the edge.
precision highp float;

flat in vec4 tint;
flat in uint shape;

uniform float side;
uniform float radius;

out vec4 colour;

void main() {
    vec2 at = (gl_PointCoord - 0.5) * side / radius;
    vec2 size = abs(at);
    float distance;
    if (shape == 0u) {
        distance = length(at) - 1.0;
    } else if (shape == 1u) {
        distance = max(size.x, size.y) - 0.89;
    } else if (shape == 2u) {
        distance = max(at.y - 0.85, (1.65 * size.x - 1.4 - at.y) / 1.93);
    } else {
        distance = (size.x + size.y - 1.25) / 1.414;
    }
    colour = vec4(tint.rgb, tint.a * clamp(0.5 - distance * radius, 0.0, 1.0));
}
