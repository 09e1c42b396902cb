//! A set of chunk numbers, kept as ranges: an upload sent in order costs one range, however long.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of numbers as disjoint ranges that do not touch: first number to one past the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NumberSet {
    ranges: BTreeMap<u64, u64>,
    len: u64,
}

impl NumberSet {
    /// How many numbers are in it.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn contains(&self, number: u64) -> bool {
        self.ranges.range(..=number).next_back().is_some_and(|(_, &end)| number < end)
    }

    /// Adds a number; gives whether it was not there. `u64::MAX` has no end and is refused.
    pub(crate) fn insert(&mut self, number: u64) -> bool {
        if number == u64::MAX || self.contains(number) {
            return false;
        }
        let mut range = number..number + 1;
        if let Some(end) = self.ranges.remove(&range.end) {
            range.end = end;
        }
        if let Some((&start, &end)) = self.ranges.range(..number).next_back()
            && end == number
        {
            range.start = start;
        }
        self.ranges.insert(range.start, range.end);
        self.len += 1;
        true
    }

    /// The ranges, in order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ranges.iter().map(|(&start, &end)| start..end)
    }

    /// The numbers, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ranges().flatten()
    }

    /// The largest number.
    pub(crate) fn last(&self) -> Option<u64> {
        self.ranges.last_key_value().map(|(_, &end)| end - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::NumberSet;

    proptest! {
        #[test]
        fn it_is_a_set(numbers in proptest::collection::vec(0_u64..40, 0..80)) {
            let mut set = NumberSet::default();
            let mut model = BTreeSet::new();
            for number in numbers {
                prop_assert_eq!(set.insert(number), model.insert(number));
                prop_assert_eq!(set.len(), model.len() as u64);
            }
            prop_assert!(set.iter().eq(model.iter().copied()));
            prop_assert_eq!(set.last(), model.last().copied());
            for number in 0..41 {
                prop_assert_eq!(set.contains(number), model.contains(&number));
            }
            let ranges: Vec<_> = set.ranges().collect();
            prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{ranges:?}");
        }
    }

    #[test]
    fn an_upload_in_order_is_one_range() {
        let mut set = NumberSet::default();
        (0..1000).for_each(|number| assert!(set.insert(number)));
        assert!(set.ranges().eq(std::iter::once(0..1000)));
    }

    #[test]
    fn the_largest_number_of_all_is_refused() {
        assert!(!NumberSet::default().insert(u64::MAX));
    }
}
