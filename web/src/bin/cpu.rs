//! The worker bundle for the CPU.

fn main() {
    web::engine::worker::start(web::engine::protocol::Bundle::Cpu);
}
