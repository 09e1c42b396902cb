//! The multipart form of a chunk: `upload_id`, `chunk_number`, `chunk`, in any order.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};
use http::{HeaderMap, StatusCode, header};
use multer::{Field, Multipart};

use super::body;
use super::error::{ApiError, ApiResult};
use super::json::Count;

/// A text field, in bytes at most.
const MAX_TEXT: usize = 1024;
/// What may be in a body beside the content of its parts: their heads, what stands before the first, and
/// what has come and is not taken apart yet. The parser keeps all of it.
const MAX_BESIDE: usize = 1024 * 1024;
/// How much of an oversize chunk is read, to be counted, before it is refused.
const MAX_COUNTED: usize = 64 * 1024 * 1024;

/// The form of a chunk.
#[derive(Debug)]
pub(crate) struct ChunkForm {
    pub(crate) upload_id: String,
    pub(crate) number: u64,
    pub(crate) data: Bytes,
}

/// Bytes collected up to a limit, and counted beyond it.
struct Collected {
    data: BytesMut,
    count: usize,
}

impl ChunkForm {
    /// Reads the form; nothing of a chunk over `max_chunk` bytes is kept.
    pub(crate) async fn read(headers: &HeaderMap, body: Body, max_chunk: usize) -> ApiResult<Self> {
        let content_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let boundary = multer::parse_boundary(content_type)
            .map_err(|_| ApiError::client("The body must be multipart/form-data with a boundary"))?;
        let length: Option<usize> = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.parse().ok());
        if length.is_some_and(|length| length > max_chunk.saturating_add(MAX_COUNTED)) {
            return Err(oversize(max_chunk, None));
        }
        let capacity = length.unwrap_or_default().min(max_chunk);
        let beside = Arc::new(AtomicUsize::new(0));
        let mut form = Multipart::new(bounded(body, &beside), boundary);
        let (mut upload_id, mut number, mut chunk) = (None, None, None);
        while let Some(field) = form.next_field().await.map_err(malformed)? {
            match field.name() {
                Some("upload_id") => upload_id = Some(text(field, &beside, "upload_id").await?),
                Some("chunk_number") => number = Some(text(field, &beside, "chunk_number").await?),
                // Kodosumi's server takes the chunk as a file alone, and a file has a name.
                Some("chunk") if field.file_name().is_some() => {
                    chunk = Some(collect(field, &beside, max_chunk, capacity).await?);
                }
                _ => drop(collect(field, &beside, 0, 0).await?),
            }
        }
        let missing = |name: &str| ApiError::validation(format!("The field '{name}' is missing"));
        let chunk = chunk.ok_or_else(|| missing("chunk"))?;
        let upload_id = upload_id.ok_or_else(|| missing("upload_id"))?;
        let number = number.ok_or_else(|| missing("chunk_number"))?;
        let number =
            number.parse::<Count>().ok().and_then(|count| u64::try_from(count.0).ok()).ok_or_else(|| {
                ApiError::validation("The field 'chunk_number' must be a whole number from 0")
            })?;
        if chunk.count > max_chunk {
            return Err(oversize(max_chunk, Some(chunk.count)));
        }
        Ok(Self { upload_id, number, data: chunk.data.freeze() })
    }
}

/// A body that breaks off where there is too much in it beside the content of its parts, of which
/// [`collect`] keeps the count.
fn bounded(
    body: Body,
    beside: &Arc<AtomicUsize>,
) -> impl Stream<Item = Result<Bytes, axum::BoxError>> + use<> {
    let beside = Arc::clone(beside);
    body.into_data_stream().map(move |data| {
        let data = data.map_err(axum::Error::into_inner)?;
        if beside.fetch_add(data.len(), Ordering::Relaxed) > MAX_BESIDE {
            return Err(TooMuchBeside.into());
        }
        Ok(data)
    })
}

/// The parts of a form have too much around them.
#[derive(Debug)]
struct TooMuchBeside;

impl fmt::Display for TooMuchBeside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the heads of the parts are too long")
    }
}

impl std::error::Error for TooMuchBeside {}

async fn collect(
    mut field: Field<'_>,
    beside: &AtomicUsize,
    keep: usize,
    capacity: usize,
) -> ApiResult<Collected> {
    let mut collected = Collected { data: BytesMut::with_capacity(capacity), count: 0 };
    while let Some(piece) = field.chunk().await.map_err(malformed)? {
        beside.fetch_sub(piece.len(), Ordering::Relaxed);
        collected.count = collected.count.saturating_add(piece.len());
        if collected.count <= keep {
            collected.data.extend_from_slice(&piece);
        } else {
            collected.data = BytesMut::new();
        }
        if collected.count > keep.saturating_add(MAX_COUNTED) {
            return Err(oversize(keep, None));
        }
    }
    Ok(collected)
}

async fn text(field: Field<'_>, beside: &AtomicUsize, name: &str) -> ApiResult<String> {
    let collected = collect(field, beside, MAX_TEXT, 0).await?;
    if collected.count > MAX_TEXT {
        return Err(ApiError::validation(format!("The field '{name}' is too long")));
    }
    String::from_utf8(collected.data.into())
        .map_err(|_| ApiError::validation(format!("The field '{name}' is not UTF-8")))
}

fn oversize(max_chunk: usize, count: Option<usize>) -> ApiError {
    let mut detail = format!("Chunk size exceeds maximum allowed size of {max_chunk} bytes.");
    if let Some(count) = count {
        detail.push_str(&format!(" Received chunk size: {count} bytes"));
    }
    ApiError::http(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn malformed(error: multer::Error) -> ApiError {
    match error {
        multer::Error::StreamReadFailed(source) if source.is::<TooMuchBeside>() => {
            ApiError::client("There is too much in the form beside the content of its parts")
        }
        multer::Error::StreamReadFailed(source) => body::broken(source),
        error => ApiError::client("The multipart body is malformed").because(&error),
    }
}
