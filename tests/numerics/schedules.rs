//! Learning rates against PyTorch's schedulers.

use crate::pattern::golden;
use trainer::engine::schedule::Schedule;

#[test]
fn cosine_and_step_are_pytorchs() {
    let golden = golden("schedules");
    let step = Schedule::Step { epochs: vec![120, 160], factor: 0.1 };
    for (name, schedule) in [("step", step), ("cosine", Schedule::Cosine { warmup_epochs: 0.0 })] {
        for (epoch, expected) in golden[name].as_array().unwrap().iter().enumerate() {
            // PyTorch's schedulers move once an epoch: ours at the epoch's first step.
            let found = schedule.learning_rate(0.03, epoch * 7, 7, 200);
            assert!((found - expected.as_f64().unwrap()).abs() < 1e-9, "{name} at epoch {epoch}: {found}");
        }
    }
}
