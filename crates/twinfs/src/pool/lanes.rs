//! Lanes: jobs that would stand in each other's way side by side, one after the other on one worker.

use std::collections::VecDeque;
use std::collections::hash_map::{DefaultHasher, Entry, HashMap};
use std::hash::{Hash, Hasher};

use super::Job;

/// What jobs have in common that would stand in each other's way: the directory in which they make files,
/// say, which the kernel locks for each of them. Two things may have one lane by chance; that costs time
/// at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Lane(u64);

impl Lane {
    /// The lane of a thing, by its hash.
    ///
    /// ```
    /// use twinfs::pool::Lane;
    ///
    /// assert_eq!(Lane::of(&("/data", "in")), Lane::of(&("/data", "in")));
    /// assert_ne!(Lane::of(&("/data", "in")), Lane::of(&("/data", "out")));
    /// ```
    #[must_use]
    pub fn of<T: Hash + ?Sized>(thing: &T) -> Self {
        let mut hasher = DefaultHasher::new();
        thing.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// The right to run the jobs of a lane, until it ends.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    lane: Lane,
    number: u64,
}

/// The lanes that somebody has a ticket for, and what waits in them.
#[derive(Default)]
pub(super) struct Lanes {
    open: HashMap<Lane, Waiting>,
    /// How many tickets were given.
    tickets: u64,
    /// How many jobs wait in all lanes.
    jobs: usize,
}

struct Waiting {
    ticket: u64,
    jobs: VecDeque<Job>,
    /// A worker is at it. Else its turn stands in the queue, which is watched by itself.
    runs: bool,
    /// Nothing was taken since it was looked at last.
    stands: bool,
}

impl Lanes {
    /// Whether no job waits in any of them.
    pub(super) fn are_empty(&self) -> bool {
        self.jobs == 0
    }

    /// Puts a job behind the others of its lane. Where there are none it comes back, with a ticket.
    pub(super) fn join(&mut self, lane: Lane, job: Job) -> Result<(), (Ticket, Job)> {
        match self.open.entry(lane) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().jobs.push_back(job);
                self.jobs += 1;
                Ok(())
            }
            Entry::Vacant(place) => {
                self.tickets += 1;
                place.insert(Waiting {
                    ticket: self.tickets,
                    jobs: VecDeque::new(),
                    runs: false,
                    stands: false,
                });
                Err((Ticket { lane, number: self.tickets }, job))
            }
        }
    }

    /// Says whether a worker is at a lane or its turn has yet to come.
    pub(super) fn set_running(&mut self, ticket: Ticket, runs: bool) {
        if let Some(waiting) = self.open.get_mut(&ticket.lane)
            && waiting.ticket == ticket.number
        {
            (waiting.runs, waiting.stands) = (runs, false);
        }
    }

    /// The next job of a lane. Without one the ticket has ended.
    pub(super) fn next(&mut self, ticket: Ticket) -> Option<Job> {
        let Entry::Occupied(mut waiting) = self.open.entry(ticket.lane) else { return None };
        if waiting.get().ticket != ticket.number {
            return None;
        }
        waiting.get_mut().stands = false;
        let job = waiting.get_mut().jobs.pop_front();
        if job.is_some() {
            self.jobs -= 1;
        } else {
            waiting.remove();
        }
        job
    }

    /// Ends a ticket; gives what waits in its lane.
    pub(super) fn close(&mut self, ticket: Ticket) -> VecDeque<Job> {
        match self.open.get(&ticket.lane) {
            Some(waiting) if waiting.ticket == ticket.number => self.close_lane(ticket.lane),
            _ => VecDeque::new(),
        }
    }

    /// Ends the ticket of a lane, whoever has it; gives what waits in it.
    pub(super) fn close_lane(&mut self, lane: Lane) -> VecDeque<Job> {
        let jobs = self.open.remove(&lane).map(|waiting| waiting.jobs).unwrap_or_default();
        self.jobs -= jobs.len();
        jobs
    }

    /// Ends the tickets of workers that took nothing since the last call, although something waits; gives that.
    pub(super) fn close_standing(&mut self) -> VecDeque<Job> {
        let mut freed = VecDeque::new();
        self.open.retain(|_, waiting| {
            let stands = waiting.runs && waiting.stands && !waiting.jobs.is_empty();
            if stands {
                freed.extend(waiting.jobs.drain(..));
            }
            waiting.stands = waiting.runs;
            !stands
        });
        self.jobs -= freed.len();
        freed
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Jobs that say which they are.
    #[derive(Default)]
    struct Said(Arc<Mutex<Vec<u32>>>);

    impl Said {
        fn job(&self, number: u32) -> Job {
            let said = Arc::clone(&self.0);
            Box::new(move || said.lock().unwrap().push(number))
        }

        fn of(&self, jobs: impl IntoIterator<Item = Job>) -> Vec<u32> {
            jobs.into_iter().for_each(|job| job());
            std::mem::take(&mut *self.0.lock().unwrap())
        }
    }

    #[test]
    fn jobs_of_a_lane_wait_in_order_until_its_ticket_ends() {
        let (mut lanes, said) = (Lanes::default(), Said::default());
        let (a, b) = (Lane::of("a"), Lane::of("b"));
        let Err((ticket, first)) = lanes.join(a, said.job(0)) else { panic!("nobody has a ticket") };
        assert!(lanes.are_empty());
        assert!(lanes.join(a, said.job(1)).is_ok() && lanes.join(a, said.job(2)).is_ok());
        assert!(lanes.join(b, said.job(9)).is_err(), "another lane");
        assert!(!lanes.are_empty());
        let jobs = [first].into_iter().chain(std::iter::from_fn(|| lanes.next(ticket)));
        assert_eq!(said.of(jobs), [0, 1, 2]);
        assert!(lanes.are_empty());
        let Err((again, _)) = lanes.join(a, said.job(3)) else { panic!("its ticket has ended") };
        assert!(lanes.join(a, said.job(4)).is_ok());
        assert!(lanes.next(ticket).is_none() && lanes.close(ticket).is_empty(), "that one is another's");
        assert_eq!(said.of(lanes.close(again)), [4]);
        assert!(lanes.are_empty() && lanes.next(again).is_none());
    }

    #[test]
    fn what_stands_is_freed_and_what_moves_is_not() {
        let (mut lanes, said) = (Lanes::default(), Said::default());
        let join = |lanes: &mut Lanes, lane: &str, number| lanes.join(Lane::of(lane), said.job(number)).err();
        let stuck = join(&mut lanes, "stuck", 0).unwrap().0;
        let moving = join(&mut lanes, "moving", 1).unwrap().0;
        let empty = join(&mut lanes, "empty", 2).unwrap().0;
        for number in [3, 4] {
            assert!(
                join(&mut lanes, "stuck", number).is_none()
                    && join(&mut lanes, "moving", number + 10).is_none()
            );
        }
        let queued = join(&mut lanes, "queued", 5).unwrap().0;
        assert!(join(&mut lanes, "queued", 6).is_none());
        for ticket in [stuck, moving, empty] {
            lanes.set_running(ticket, true);
        }
        assert!(lanes.close_standing().is_empty(), "this is the first look");
        assert_eq!(said.of(lanes.next(moving)), [13]);
        assert_eq!(said.of(lanes.close_standing()), [3, 4]);
        assert!(lanes.next(stuck).is_none() && lanes.next(empty).is_none());
        assert_eq!(said.of(lanes.next(moving)), [14]);
        lanes.set_running(queued, true);
        assert!(lanes.close_standing().is_empty(), "its turn has only begun");
        assert_eq!(said.of(lanes.next(queued)), [6]);
        assert!(lanes.are_empty());
    }
}
