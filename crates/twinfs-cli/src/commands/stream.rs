//! Standard input and output as ends of a transfer.

use std::io::{self, Read};

use twinfs::adapters::park_on;
use twinfs::{ByteRange, Error, Mode, OpenOptions, STREAM_BLOCK};

use crate::interrupt;
use crate::output::{Failure, Result, Stop};
use crate::session::{About, Session, failure};
use crate::target::Place;

/// Writes a file to standard output.
pub(crate) fn to_stdout(session: &mut Session, place: &Place) -> Result<()> {
    range_to_stdout(session, place, ByteRange::Full)
}

/// Writes a range of a file to standard output, block by block; the next ones are read while one
/// is written.
pub(crate) fn range_to_stdout(session: &mut Session, place: &Place, range: ByteRange) -> Result<()> {
    // The parking call wants the library's errors; a stop of ours travels beside it.
    let mut stop = Ok(());
    let read = park_on(async {
        let fs = match session.open_async(place).await {
            Ok(fs) => fs,
            Err(failed) => {
                stop = Err(failed);
                return Ok(());
            }
        };
        let file = fs.open(&place.path, Mode::Read).await?;
        let mut blocks = file.chunks(range, STREAM_BLOCK).await?;
        while let Some(block) = blocks.next().await {
            if let Err(unwritten) = session.out.bytes(&block?) {
                stop = Err(unwritten);
                break;
            }
        }
        Ok(())
    });
    stop.and(read.about(place))?;
    session.out.flush()
}

/// Passes standard input on to standard output.
pub(crate) fn stdin_to_stdout(session: &mut Session) -> Result<()> {
    let mut block = vec![0; STREAM_BLOCK];
    loop {
        match fill(&mut block)? {
            0 => return session.out.flush(),
            count => session.out.bytes(&block[..count])?,
        }
    }
}

/// Writes standard input to a file; gives its length. The file is there whole or not at all.
pub(crate) fn from_stdin(session: &mut Session, place: &Place, options: &OpenOptions) -> Result<u64> {
    let fs = session.open(place)?;
    let mut block = vec![0; STREAM_BLOCK];
    let first = fill(&mut block)?;
    let capabilities = *twinfs::AsyncStore::capabilities(fs.store());
    if first < block.len() || !capabilities.write_handles {
        block.truncate(first);
        if first == STREAM_BLOCK {
            io::stdin().lock().read_to_end(&mut block).map_err(unread)?;
        }
        let write = twinfs::WriteOptions {
            condition: options.condition.clone(),
            durability: options.durability,
            parents: options.parents,
        };
        return Ok(fs.write_with(&place.path, block, &write).about(place)?.len);
    }
    let mut file = fs.open(&place.path, options).about(place)?;
    let mut count = first;
    while count > 0 {
        // On an error the writer is dropped, which publishes nothing.
        file.write(&block[..count]).about(place)?;
        count = fill(&mut block)?;
    }
    let metadata = file.commit().map_err(|error| failure(place, error))?;
    Ok(metadata.len)
}

/// Fills a block from standard input; less than full only at the end.
fn fill(block: &mut [u8]) -> Result<usize> {
    let mut stdin = io::stdin().lock();
    let mut filled = 0;
    while let Some(rest) = block.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        interrupt::wait_for_input();
        match stdin.read(rest) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unread(error)),
        }
    }
    Ok(filled)
}

fn unread(error: io::Error) -> Stop {
    Failure::new("-", Error::from_io(error)).into()
}
