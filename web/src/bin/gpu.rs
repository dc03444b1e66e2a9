//! The worker bundle for WebGPU.

fn main() {
    web::engine::worker::start(web::engine::protocol::Bundle::Gpu);
}
