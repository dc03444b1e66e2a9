//! Embeddings as rows of a file that other programs read.

use std::io::Write;

/// CSV: name, class, values.
pub(super) fn write_csv(
    file: &mut dyn Write,
    names: &[String],
    labels: &[Option<usize>],
    classes: &[String],
    values: &[f32],
    width: usize,
) -> std::io::Result<()> {
    let mut rows = csv::Writer::from_writer(file);
    let head = ["name", "class"].map(str::to_owned).into_iter();
    rows.write_record(head.chain((0..width).map(|column| column.to_string())))?;
    for ((name, label), row) in names.iter().zip(labels).zip(values.chunks_exact(width)) {
        let class = label.and_then(|label| classes.get(label)).cloned().unwrap_or_default();
        let own = [name.clone(), class].into_iter();
        rows.write_record(own.chain(row.iter().map(f32::to_string)))?;
    }
    rows.flush()
}

/// NumPy's format 1.0: a magic string, the header's length, the header padded to a multiple of 64 bytes, the values.
pub(super) fn write_npy(file: &mut dyn Write, values: &[f32], width: usize) -> std::io::Result<()> {
    const PREAMBLE: usize = 10;
    let mut header =
        format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {width}), }}", values.len() / width);
    let padding = (64 - (PREAMBLE + header.len() + 1) % 64) % 64;
    header.push_str(&" ".repeat(padding));
    header.push('\n');
    file.write_all(b"\x93NUMPY\x01\x00")?;
    file.write_all(&u16::try_from(header.len()).map_err(std::io::Error::other)?.to_le_bytes())?;
    file.write_all(header.as_bytes())?;
    values.iter().try_for_each(|value| file.write_all(&value.to_le_bytes()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a failed step fails the test")]
mod tests {
    use super::*;

    #[test]
    fn numpy_reads_the_header() {
        let mut file = Vec::new();
        write_npy(&mut file, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3).unwrap();
        assert_eq!(file.len(), 128 + 24, "a header of two 64-byte blocks at most, then the values");
        let header = usize::from(u16::from_le_bytes([file[8], file[9]]));
        assert_eq!((10 + header) % 64, 0);
        assert!(String::from_utf8_lossy(&file[10..10 + header]).contains("'shape': (2, 3)"));
        assert_eq!(file[10 + header..][..4], 1.0_f32.to_le_bytes());
    }

    #[test]
    fn csv_fields_with_commas_are_quoted() {
        let mut file = Vec::new();
        let classes = ["a \"field\"".to_owned()];
        write_csv(&mut file, &["x,y.jpg".into(), "z.jpg".into()], &[Some(0), None], &classes, &[0.5, 1.0], 1).unwrap();
        assert_eq!(String::from_utf8_lossy(&file), "name,class,0\n\"x,y.jpg\",\"a \"\"field\"\"\",0.5\nz.jpg,,1\n");
    }
}
