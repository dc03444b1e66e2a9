//! Flat tables as Parquet, compressed with gzip.

use std::sync::Arc;

use anyhow::Result;
use parquet::basic::{Compression, GzipLevel, LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::Type;

/// Rows that are written together.
const GROUP_ROWS: usize = 100_000;

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) values: Values,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values {
    /// Whole numbers.
    Integers(Vec<i64>),
    /// Microseconds since 1970, UTC.
    Moments(Vec<i64>),
    /// Numbers, some missing.
    Numbers(Vec<Option<f64>>),
    /// Text, some missing.
    Texts(Vec<Option<String>>),
    /// Anything else.
    Bytes(Vec<Vec<u8>>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Self::Integers(values) | Self::Moments(values) => values.len(),
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    fn kind(&self, name: &str) -> Result<Type> {
        let (physical, logical, repetition) = match self {
            Self::Integers(_) => (Physical::INT64, None, Repetition::REQUIRED),
            Self::Moments(_) => {
                let moment = LogicalType::timestamp(true, TimeUnit::MICROS);
                (Physical::INT64, Some(moment), Repetition::REQUIRED)
            }
            Self::Numbers(_) => (Physical::DOUBLE, None, Repetition::OPTIONAL),
            Self::Texts(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String), Repetition::OPTIONAL),
            Self::Bytes(_) => (Physical::BYTE_ARRAY, None, Repetition::REQUIRED),
        };
        let kind = Type::primitive_type_builder(name, physical);
        Ok(kind.with_logical_type(logical).with_repetition(repetition).build()?)
    }

    fn write(&self, rows: std::ops::Range<usize>, writer: &mut SerializedColumnWriter<'_>) -> Result<()> {
        let text = |bytes: &[u8]| ByteArray::from(bytes.to_vec());
        match self {
            Self::Integers(values) | Self::Moments(values) => {
                writer.typed::<Int64Type>().write_batch(&values[rows], None, None)?;
            }
            Self::Numbers(values) => {
                let there: Vec<f64> = values[rows.clone()].iter().copied().flatten().collect();
                writer.typed::<DoubleType>().write_batch(&there, Some(&levels(&values[rows])), None)?;
            }
            Self::Texts(values) => {
                let there: Vec<ByteArray> =
                    values[rows.clone()].iter().flatten().map(|value| text(value.as_bytes())).collect();
                writer.typed::<ByteArrayType>().write_batch(&there, Some(&levels(&values[rows])), None)?;
            }
            Self::Bytes(values) => {
                let there: Vec<ByteArray> = values[rows].iter().map(|value| text(value)).collect();
                writer.typed::<ByteArrayType>().write_batch(&there, None, None)?;
            }
        }
        Ok(())
    }
}

/// Which values are there.
fn levels<T>(values: &[Option<T>]) -> Vec<i16> {
    values.iter().map(|value| i16::from(value.is_some())).collect()
}

/// The bytes of a Parquet file with these columns, all of one length, and key-value metadata.
///
/// # Errors
/// When the writer fails, which it does only without memory.
pub(crate) fn table(columns: &[Column], metadata: &[(&str, String)]) -> Result<Vec<u8>> {
    let kinds: Vec<_> =
        columns.iter().map(|column| column.values.kind(column.name).map(Arc::new)).collect::<Result<_>>()?;
    let schema = Type::group_type_builder("schema").with_fields(kinds).build()?;
    let pairs = metadata.iter().map(|(key, value)| KeyValue::new((*key).to_owned(), value.clone())).collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::GZIP(GzipLevel::default()))
        .set_created_by("solstice".to_owned())
        .set_key_value_metadata(Some(pairs))
        .build();
    let mut file = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let rows = columns.first().map_or(0, |column| column.values.len());
    for start in (0..rows).step_by(GROUP_ROWS) {
        let mut group = file.next_row_group()?;
        for column in columns {
            let Some(mut writer) = group.next_column()? else { break };
            column.values.write(start..rows.min(start + GROUP_ROWS), &mut writer)?;
            writer.close()?;
        }
        group.close()?;
    }
    Ok(file.into_inner()?)
}
