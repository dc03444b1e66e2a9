//! The worker bundle for the CPU, for browsers with relaxed SIMD.

fn main() {
    web::engine::worker::start(web::engine::protocol::Bundle::Cpu);
}
