#version 300 es
// One point for each dot, large enough for any of the shapes.
layout(location = 0) in vec2 place;
layout(location = 1) in vec4 colour;
layout(location = 2) in uvec2 look; // shape, layer

uniform vec4 camera; // the place in the middle; from there to the edge of the picture, for one unit of the map
uniform float side;  // of the square around a dot, in pixels
uniform uint layer;

flat out vec4 tint;
flat out uint shape;

void main() {
    tint = colour;
    shape = look.x;
    gl_PointSize = side;
    // Dots of other layers lie outside.
    gl_Position = look.y == layer ? vec4((place - camera.xy) * camera.zw, 0.0, 1.0) : vec4(2.0, 2.0, 2.0, 1.0);
}
