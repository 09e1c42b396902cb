//! The state machine against a model that knows the bytes: two plain vectors as the two files.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Assembly, Begin, Chunk, Destination, Incomplete, Join, Place};

/// The outside world of an upload.
#[derive(Default)]
struct World {
    file: Vec<u8>,
    aside: Vec<u8>,
    rows: Vec<(u64, Chunk)>,
}

impl World {
    fn write(&mut self, place: Place, data: &[u8]) {
        let (target, offset) = match place {
            Place::File(offset) => (&mut self.file, offset),
            Place::Aside(offset) => (&mut self.aside, offset),
        };
        let (start, end) = (offset as usize, offset as usize + data.len());
        if target.len() < end {
            target.resize(end, 0xee);
        }
        target[start..end].copy_from_slice(data);
    }

    fn receive(&mut self, assembly: &mut Assembly, number: u64, data: &[u8]) {
        if let Begin::Write(place) = assembly.begin(number, data.len() as u64) {
            self.write(place, data);
            self.rows.push((number, Chunk { len: data.len() as u64, place }));
            assembly.landed(number);
        }
    }

    fn carry_out(&self, join: &Join) -> Vec<u8> {
        let mut result = if join.into == Destination::Same { self.file.clone() } else { Vec::new() };
        result.resize(result.len().max(join.len as usize), 0xee);
        for piece in &join.pieces {
            let (source, offset) = match piece.from {
                Place::File(offset) => (&self.file, offset as usize),
                Place::Aside(offset) => (&self.aside, offset as usize),
            };
            let bytes = &source[offset..offset + piece.len as usize];
            result[piece.to as usize..][..bytes.len()].copy_from_slice(bytes);
        }
        result.truncate(join.len as usize);
        result
    }
}

fn content(number: u64, len: usize, take: u8) -> Vec<u8> {
    (0..len)
        .map(|index| (number as u8).wrapping_mul(31).wrapping_add(index as u8).wrapping_add(take))
        .collect()
}

/// One thing that happens to an upload.
#[derive(Clone, Debug)]
enum Event {
    /// A chunk arrives, of its own length or of another.
    Chunk { number: u64, other_len: Option<usize> },
    /// A chunk arrives, its bytes are written in part or not at all, and the write fails.
    Failure { number: u64, written: bool },
    /// The server is killed and starts again.
    Restart,
}

fn events(total: u64) -> impl Strategy<Value = Vec<Event>> {
    let number = 0..total + 2;
    let event = prop_oneof![
        8 => (number.clone(), proptest::option::weighted(0.2, 0_usize..9))
            .prop_map(|(number, other_len)| Event::Chunk { number, other_len }),
        1 => (number, any::<bool>()).prop_map(|(number, written)| Event::Failure { number, written }),
        1 => Just(Event::Restart),
    ];
    proptest::collection::vec(event, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Whatever order, lengths, resends, failures and restarts: the file is the chunks in order, each
    /// with the content that was acknowledged first.
    #[test]
    fn the_file_is_the_chunks_in_order(
        (announced, total, size, last, events) in (0_u64..7, 1_u64..7, 1_usize..6, 0_usize..8)
            .prop_flat_map(|(announced, total, size, last)| {
                (Just(announced), Just(total), Just(size), Just(last), events(total))
            })
    ) {
        let mut world = World::default();
        let mut assembly = Assembly::new(announced);
        let mut model: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        let usual = |number: u64| if number + 1 == total { last } else { size };
        for (take, event) in events.into_iter().enumerate() {
            match event {
                Event::Chunk { number, other_len } => {
                    let data = content(number, other_len.unwrap_or(usual(number)), take as u8);
                    world.receive(&mut assembly, number, &data);
                    model.entry(number).or_insert(data);
                }
                Event::Failure { number, written } => {
                    let data = content(number, usual(number), take as u8);
                    if let Begin::Write(place) = assembly.begin(number, data.len() as u64) {
                        prop_assert_eq!(assembly.begin(number, 1), Begin::Busy);
                        prop_assert!(!assembly.is_settled());
                        if written {
                            world.write(place, &data);
                        }
                        assembly.failed(number);
                    }
                }
                Event::Restart => assembly = Assembly::restore(announced, world.rows.iter().copied()),
            }
            prop_assert!(assembly.is_settled());
            prop_assert_eq!(assembly.received(), model.len() as u64);
            prop_assert_eq!(assembly.bytes(), model.values().map(|data| data.len() as u64).sum::<u64>());
            prop_assert_eq!(assembly.numbers(), model.keys().copied().collect::<Vec<_>>());
        }
        for number in 0..total {
            let data = content(number, usual(number), 77);
            world.receive(&mut assembly, number, &data);
            model.entry(number).or_insert(data);
        }
        let extra: Vec<u64> = model.keys().copied().filter(|&number| number >= total).collect();
        if extra.is_empty() {
            prop_assert_eq!(assembly.check(total as i64), Ok(total));
            let expected: Vec<u8> = model.values().flatten().copied().collect();
            let join = assembly.join(total);
            if assembly.ends_at(join.len) && join.into == Destination::Same {
                prop_assert!(world.file.len() <= join.len as usize, "the file would have to be cut");
            }
            prop_assert_eq!(world.carry_out(&join), expected);
        } else {
            prop_assert_eq!(assembly.check(total as i64), Err(Incomplete::Count));
            let highest = model.len() as i64;
            let missing: Vec<u64> = (0..highest as u64).filter(|number| !model.contains_key(number)).collect();
            prop_assert_eq!(
                assembly.check(highest),
                if missing.is_empty() { Ok(highest as u64) } else { Err(Incomplete::Missing(missing)) }
            );
        }
    }

    /// Equal chunks in any order, sent by a sane client, need at most the last one copied: completing
    /// costs the same for any size.
    #[test]
    fn equal_chunks_need_no_joining(
        order in (1_u64..30).prop_flat_map(|total| Just((0..total).collect::<Vec<_>>()).prop_shuffle()),
        size in 1_usize..5,
    ) {
        let total = order.len() as u64;
        let mut world = World::default();
        let mut assembly = Assembly::new(total);
        for &number in &order {
            world.receive(&mut assembly, number, &content(number, size, 0));
        }
        let join = assembly.join(total);
        prop_assert_eq!(join.into, Destination::Same);
        let last_came_first = total > 1 && order[0] == total - 1;
        prop_assert_eq!(join.pieces.len(), usize::from(last_came_first));
    }
}

#[test]
fn chunks_of_one_number_wait_for_each_other() {
    let mut assembly = Assembly::new(2);
    assert_eq!(assembly.begin(0, 4), Begin::Write(Place::File(0)));
    assert_eq!(assembly.begin(0, 4), Begin::Busy);
    assert_eq!(assembly.begin(1, 4), Begin::Write(Place::File(4)));
    assembly.failed(0);
    assert_eq!(assembly.begin(0, 3), Begin::Write(Place::Aside(0)), "chunk 1 stands on the length 4");
    assembly.landed(0);
    assembly.landed(1);
    assert_eq!(assembly.begin(0, 4), Begin::Received);
}

#[test]
fn a_length_that_no_chunk_relies_on_is_forgotten() {
    let mut assembly = Assembly::new(3);
    assert_eq!(assembly.begin(1, 10), Begin::Write(Place::File(10)));
    assembly.failed(1);
    assert_eq!(assembly.begin(1, 7), Begin::Write(Place::File(7)));
}

#[test]
fn hostile_numbers_overflow_nothing() {
    let mut assembly = Assembly::new(u64::MAX);
    assert_eq!(assembly.begin(0, 1 << 20), Begin::Write(Place::File(0)));
    assembly.landed(0);
    assert_eq!(assembly.begin(u64::MAX - 1, 1 << 20), Begin::Write(Place::Aside(0)));
    assert_eq!(assembly.begin(1 << 50, 1 << 20), Begin::Write(Place::Aside(1 << 20)));
    assert_eq!(assembly.begin(u64::MAX, 1), Begin::TooFar);
    assembly.landed(u64::MAX - 1);
    assert_eq!(assembly.check(2), Err(Incomplete::Missing(vec![1])));
    assert_eq!(assembly.check(-1), Err(Incomplete::Count));
    assert_eq!(assembly.check(i64::MAX), Err(Incomplete::Count));
}

#[test]
fn an_upload_of_no_chunks_is_an_empty_file() {
    let assembly = Assembly::new(0);
    assert_eq!(assembly.check(0), Ok(0));
    assert_eq!(assembly.join(0), Join { len: 0, pieces: Vec::new(), into: Destination::Same });
}
