//! The ResNets (He et al. 2016, arXiv 1512.03385) with torchvision's structure and parameter names.

use super::Plan;
use crate::encoder::Pooling;

const fn plan(name: &'static str, blocks: &'static [usize], expansion: usize) -> Plan {
    let (widths, pooling) = (&[64, 128, 256, 512], Pooling::Mean);
    Plan { name, stem: 64, widths, blocks, expansion, shrinks_early: false, pooling, is_torchvisions: true }
}

/// Basic blocks.
pub const RESNET18: Plan = plan("resnet18", &[2, 2, 2, 2], 1);
/// Basic blocks.
pub const RESNET34: Plan = plan("resnet34", &[3, 4, 6, 3], 1);
/// Bottlenecks.
pub const RESNET50: Plan = plan("resnet50", &[3, 4, 6, 3], 4);
