//! The two tiles, written once for all instruction sets.

/// Defines `gather::<R, V>` and `reduce::<R, V>` (rows, vectors) from five vector operations.
macro_rules! tiles {
    ($(#[$feature:meta])* $vector:ty, $width:literal, $zero:path, $splat:path, $load:path, $store:path, $mul_add:path) => {
        $(#[$feature])*
        unsafe fn gather<const R: usize, const V: usize>(tile: &$crate::kernels::cpu::lanes::GatherTile) {
            // SAFETY: the addresses are the caller's promise.
            unsafe {
                let mut sums = [[$zero(); V]; R];
                for r in 0..R {
                    for v in 0..V {
                        sums[r][v] = $load(tile.seed.add(r * tile.seed_row + v * $width));
                    }
                }
                let mut starts: [*const f32; R] = core::array::from_fn(|r| tile.starts[r]);
                let mut weights = tile.weights;
                for _ in 0..tile.channels {
                    for &offset in tile.offsets {
                        let lanes: [$vector; V] = core::array::from_fn(|v| $load(weights.add(v * $width)));
                        for r in 0..R {
                            let value = $splat(*starts[r].add(offset));
                            for v in 0..V {
                                sums[r][v] = $mul_add(value, lanes[v], sums[r][v]);
                            }
                        }
                        weights = weights.add(V * $width);
                    }
                    for start in &mut starts {
                        *start = start.wrapping_add(tile.plane);
                    }
                }
                for r in 0..R {
                    for v in 0..V {
                        $store(tile.out.add(r * tile.out_row + v * $width), sums[r][v]);
                    }
                }
            }
        }

        $(#[$feature])*
        unsafe fn reduce<const R: usize, const V: usize>(tile: &$crate::kernels::cpu::lanes::ReduceTile) {
            // SAFETY: the addresses are the caller's promise.
            unsafe {
                let mut sums = [[$zero(); V]; R];
                if tile.adds {
                    for r in 0..R {
                        for v in 0..V {
                            sums[r][v] = $load(tile.out.add(r * tile.out_row + v * $width));
                        }
                    }
                }
                for image in 0..tile.images {
                    let mut lanes = tile.lanes.add(image * tile.lanes_image);
                    for line in 0..tile.lines {
                        let mut at = image * tile.image_step + line * tile.line_step;
                        for _ in 0..tile.length {
                            let vectors: [$vector; V] = core::array::from_fn(|v| $load(lanes.add(v * $width)));
                            for r in 0..R {
                                let value = $splat(*tile.starts[r].add(at));
                                for v in 0..V {
                                    sums[r][v] = $mul_add(value, vectors[v], sums[r][v]);
                                }
                            }
                            lanes = lanes.add(V * $width);
                            at += tile.step;
                        }
                    }
                }
                for r in 0..R {
                    for v in 0..V {
                        $store(tile.out.add(r * tile.out_row + v * $width), sums[r][v]);
                    }
                }
            }
        }
    };
}
pub(super) use tiles;
