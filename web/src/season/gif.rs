//! A series as an animated GIF: every frame with the 256 colours that stand for it best.
//!
//! Written here because a page has no writer for it, and there is little to it. Colours by median cut (Heckbert, Color image quantization
//! for frame buffer display, 1982), codes by the GIF's own LZW (CompuServe, GIF89a, appendix F).

/// Colours of a frame.
const COLOURS: usize = 256;
/// Codes of twelve bits are the longest.
const MAX_CODES: u16 = 4096;
const CLEAR: u16 = 256;
const END: u16 = 257;
/// Colours are told apart by the five upper bits of each channel.
const BINS: usize = 1 << 15;

/// An animation that is being written; it repeats for ever.
pub struct Gif {
    width: usize,
    height: usize,
    file: Vec<u8>,
}

impl Gif {
    /// Of frames of this size, at most 65 535 pixels a side.
    #[must_use]
    pub fn new(width: usize, height: usize) -> Self {
        let mut file = b"GIF89a".to_vec();
        file.extend([width, height].iter().flat_map(|side| (*side as u16).to_le_bytes()));
        // No colours for all frames, no background, square pixels.
        file.extend([0x70, 0, 0]);
        file.extend(b"\x21\xff\x0bNETSCAPE2.0\x03\x01\0\0\0");
        Self { width, height, file }
    }

    /// Adds a frame: RGBA of every pixel, of which the opacity does not count, shown for hundredths of a second. One of another size is
    /// left out.
    pub fn frame(&mut self, rgba: &[u8], hundredths: u16) {
        if rgba.len() != self.width * self.height * 4 {
            return;
        }
        let (palette, of_bin) = palette(rgba);
        let [low, high] = hundredths.to_le_bytes();
        self.file.extend([0x21, 0xf9, 4, 0, low, high, 0, 0]);
        self.file.extend([0x2c, 0, 0, 0, 0]);
        self.file.extend([self.width, self.height].iter().flat_map(|side| (*side as u16).to_le_bytes()));
        self.file.push(0x87);
        self.file.extend(palette.iter().flatten());
        let pixels: Vec<u8> = rgba.as_chunks::<4>().0.iter().map(|pixel| of_bin[bin(pixel)]).collect();
        self.file.push(8);
        for part in packed(&pixels).chunks(255) {
            self.file.push(part.len() as u8);
            self.file.extend(part);
        }
        self.file.push(0);
    }

    /// The file.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.file.push(0x3b);
        self.file
    }
}

fn bin(pixel: &[u8; 4]) -> usize {
    usize::from(pixel[0] >> 3) << 10 | usize::from(pixel[1] >> 3) << 5 | usize::from(pixel[2] >> 3)
}

/// The level of a channel, 0 to 31, in a bin.
fn level(bin: u16, channel: usize) -> u16 {
    bin >> (10 - 5 * channel) & 31
}

/// Colours of a picture, and which of them stands for each bin.
fn palette(rgba: &[u8]) -> ([[u8; 3]; COLOURS], Vec<u8>) {
    let mut sums = vec![[0_u64; 4]; BINS];
    for pixel in rgba.as_chunks::<4>().0 {
        let sum = &mut sums[bin(pixel)];
        (0..3).for_each(|channel| sum[channel] += u64::from(pixel[channel]));
        sum[3] += 1;
    }
    let mut boxes = vec![(0..BINS as u16).filter(|bin| sums[usize::from(*bin)][3] > 0).collect::<Vec<u16>>()];
    while boxes.len() < COLOURS {
        // The box whose pixels differ most, along the channel in which they do.
        let spread = |bins: &[u16]| {
            let of = |channel: usize| {
                let levels = || bins.iter().map(|bin| level(*bin, channel));
                (levels().max().unwrap_or(0) - levels().min().unwrap_or(0), channel)
            };
            let (range, channel) = (0..3).map(of).max_by_key(|(range, _)| *range).unwrap_or_default();
            let pixels: u64 = bins.iter().map(|bin| sums[usize::from(*bin)][3]).sum();
            (u64::from(range) * pixels, channel)
        };
        let Some((at, (worth, channel))) =
            boxes.iter().map(|bins| spread(bins)).enumerate().max_by_key(|(_, (worth, _))| *worth)
        else {
            break;
        };
        if worth == 0 {
            break;
        }
        let bins = std::mem::take(&mut boxes[at]);
        // In two where half of the pixels are on either side, but neither without any.
        let mut counts = [0_u64; 32];
        bins.iter().for_each(|bin| counts[usize::from(level(*bin, channel))] += sums[usize::from(*bin)][3]);
        let (half, lowest) = (counts.iter().sum::<u64>() / 2, bins.iter().map(|bin| level(*bin, channel)).min());
        let highest = bins.iter().map(|bin| level(*bin, channel)).max().unwrap_or(0);
        let mut cut = lowest.unwrap_or(0);
        let mut below = counts[usize::from(cut)];
        while below < half && cut + 1 < highest {
            cut += 1;
            below += counts[usize::from(cut)];
        }
        let (low, high) = bins.into_iter().partition(|bin| level(*bin, channel) <= cut);
        boxes[at] = low;
        boxes.push(high);
    }
    let (mut colours, mut of_bin) = ([[0; 3]; COLOURS], vec![0; BINS]);
    for (index, bins) in boxes.iter().enumerate() {
        let mut sum = [0_u64; 4];
        for bin in bins {
            of_bin[usize::from(*bin)] = index as u8;
            (0..4).for_each(|part| sum[part] += sums[usize::from(*bin)][part]);
        }
        (0..3).for_each(|channel| colours[index][channel] = (sum[channel] / sum[3].max(1)) as u8);
    }
    (colours, of_bin)
}

/// Indices as codes.
fn packed(pixels: &[u8]) -> Vec<u8> {
    let mut out = Bits::default();
    // Behind a code and a pixel, the code for both; 0 where there is none yet.
    let mut longer = vec![0_u16; usize::from(MAX_CODES) << 8];
    let (mut next, mut width) = (END + 1, 9);
    out.push(CLEAR, width);
    let mut so_far = None::<u16>;
    for &pixel in pixels {
        let Some(code) = so_far else {
            so_far = Some(u16::from(pixel));
            continue;
        };
        let slot = usize::from(code) << 8 | usize::from(pixel);
        if longer[slot] != 0 {
            so_far = Some(longer[slot]);
            continue;
        }
        out.push(code, width);
        if next < MAX_CODES {
            longer[slot] = next;
            // Whoever reads is one code behind.
            width += usize::from(next == 1 << width);
            next += 1;
        } else {
            out.push(CLEAR, width);
            longer.fill(0);
            (next, width) = (END + 1, 9);
        }
        so_far = Some(u16::from(pixel));
    }
    if let Some(code) = so_far {
        out.push(code, width);
        // The reader adds a code for this one too.
        width += usize::from(next == 1 << width && width < 12);
    }
    out.push(END, width);
    out.finish()
}

/// Bits, the lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: usize,
}

impl Bits {
    fn push(&mut self, code: u16, width: usize) {
        self.held |= u32::from(code) << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push(self.held as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.bytes.push(self.held as u8);
        }
        self.bytes
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    /// Reads codes as appendix F says, with strings in full.
    fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let (mut at, mut width, mut out) = (0, 9, Vec::new());
        let fresh = || (0..258_u16).map(|code| vec![code as u8]).collect::<Vec<Vec<u8>>>();
        let (mut table, mut before) = (fresh(), None::<Vec<u8>>);
        loop {
            let code = (0..width).fold(0, |code, bit| {
                let place = at + bit;
                code | usize::from(bytes[place / 8] >> (place % 8) & 1) << bit
            });
            at += width;
            match code {
                256 => (table, before, width) = (fresh(), None, 9),
                257 => return out,
                _ => {
                    let entry = match (table.get(code), &before) {
                        (Some(entry), _) => entry.clone(),
                        (None, Some(before)) => [&before[..], &before[..1]].concat(),
                        (None, None) => unreachable!("a code that nothing has made"),
                    };
                    if let Some(before) = before.filter(|_| table.len() < 4096) {
                        table.push([&before[..], &entry[..1]].concat());
                        width += usize::from(table.len() == 1 << width && width < 12);
                    }
                    out.extend(&entry);
                    before = Some(entry);
                }
            }
        }
    }

    #[test]
    fn codes_are_read_back_whatever_they_stand_for() {
        let mut seed = 1_u32;
        let mut noise = |most: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((seed >> 16) % most) as u8
        };
        for (len, most) in [(0, 1), (1, 256), (2, 1), (300, 3), (5000, 1), (40_000, 256), (70_000, 5), (4000, 256)] {
            let pixels: Vec<u8> = (0..len).map(|_| noise(most)).collect();
            assert_eq!(unpacked(&packed(&pixels)), pixels, "{len} pixels of {most} colours");
        }
        for len in 3700..4200 {
            let pixels: Vec<u8> = (0..len).map(|_| noise(256)).collect();
            assert_eq!(unpacked(&packed(&pixels)), pixels, "{len} pixels");
        }
    }

    #[test]
    fn few_colours_are_met_exactly_and_many_nearly() {
        let rgba: Vec<u8> = (0..200_u8).flat_map(|at| [at, 255 - at, at / 2, 255]).collect();
        let (colours, of_bin) = palette(&rgba);
        let far = |rgba: &[u8], colours: &[[u8; 3]; COLOURS], of_bin: &[u8]| -> i32 {
            let apart = |pixel: &[u8; 4]| {
                let colour = colours[usize::from(of_bin[bin(pixel)])];
                (0..3).map(|at| (i32::from(pixel[at]) - i32::from(colour[at])).abs()).max().unwrap()
            };
            rgba.as_chunks::<4>().0.iter().map(apart).max().unwrap()
        };
        assert!(far(&rgba, &colours, &of_bin) < 8, "a bin is eight levels wide");
        let many: Vec<u8> = (0..64_u8)
            .flat_map(|red| (0..64_u8).flat_map(move |green| [red * 4, green * 4, red ^ green, 255]))
            .collect();
        let (colours, of_bin) = palette(&many);
        assert!(far(&many, &colours, &of_bin) < 40);
    }
}
