//! The compact family: basic blocks in three stages, sized for 64-pixel tiles. With the small stem a tile is seen at 32², 16²,
//! 8² and 4² pixels, and each stage costs about the same number of multiply-adds. Embeddings are moments of all stages.

use super::Plan;
use crate::encoder::Pooling;

const fn plan(name: &'static str, stem: usize, widths: &'static [usize], blocks: &'static [usize]) -> Plan {
    let pooling = Pooling::Moments;
    Plan { name, stem, widths, blocks, expansion: 1, shrinks_early: true, pooling, is_torchvisions: false }
}

/// 0.68 M parameters.
pub const XS: Plan = plan("compact-xs", 24, &[48, 96, 192], &[1, 1, 1]);
/// 1.21 M parameters.
pub const S: Plan = plan("compact-s", 32, &[64, 128, 256], &[1, 1, 1]);
/// Two blocks a stage.
pub const M: Plan = plan("compact-m", 32, &[64, 128, 256], &[2, 2, 2]);
