//! Canaries: of what a manager made in a namespace the first few go, and the rest waits to see whether they come back.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use crate::Item;

/// How many go first, and how long the rest waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canaries {
    /// 0 for none: nothing waits.
    pub number: usize,
    /// In milliseconds.
    pub wait: u64,
}

/// The Jobs of one manager in one namespace.
#[derive(Debug, Default)]
struct Group {
    phase: Phase,
    /// Those that go first and are not done with yet.
    under_way: usize,
    /// Those that are gone.
    gone: Vec<usize>,
    held: VecDeque<usize>,
    /// Who made them.
    manager: Box<str>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// The first few go.
    #[default]
    Trying,
    Waiting {
        until: u64,
    },
    /// So many are still to be looked at.
    Looking {
        left: usize,
    },
    Open,
    Closed,
}

/// All groups of a plan.
#[derive(Debug)]
pub(super) struct Groups {
    canaries: Canaries,
    groups: Vec<Group>,
    /// The group of each item.
    of_item: Vec<usize>,
    is_started: bool,
}

impl Groups {
    /// Those of `items`, each made by what `manager` says of its number; who calls says of each item by [`Groups::hold`] or
    /// [`Groups::was_gone`] where it stands.
    pub(super) fn new<'a>(
        canaries: Canaries,
        items: &'a [Item],
        manager: impl Fn(usize) -> Cow<'a, str>,
    ) -> Self {
        let mut numbers = BTreeMap::new();
        let mut groups = Vec::new();
        let of_item = items.iter().enumerate().map(|(index, item)| {
            let manager = manager(index);
            *numbers.entry((&*item.namespace, manager.clone())).or_insert_with(|| {
                groups.push(Group { manager: manager.into(), ..Group::default() });
                groups.len() - 1
            })
        });
        let of_item = of_item.collect();
        Self { canaries, groups, of_item, is_started: false }
    }

    /// Who made `item`; empty where nobody knows.
    pub(super) fn manager(&self, item: usize) -> &str {
        let group = self.of_item.get(item).and_then(|group| self.groups.get(*group));
        group.map_or("", |group| &group.manager)
    }

    /// `item` is to go.
    pub(super) fn hold(&mut self, item: usize) {
        if let Some(group) = self.group(item) {
            group.held.push_back(item);
        }
    }

    /// `item` went `ago` milliseconds before `now`, in a run that did not come to its end.
    pub(super) fn was_gone(&mut self, item: usize, ago: u64, now: u64) {
        let Canaries { number, wait } = self.canaries;
        if let Some(group) = self.group(item).filter(|group| group.gone.len() < number) {
            group.gone.push(item);
            let until = now.saturating_add(wait.saturating_sub(ago));
            group.phase = match group.phase {
                Phase::Waiting { until: known } => Phase::Waiting { until: known.max(until) },
                _ => Phase::Waiting { until },
            };
        }
    }

    /// The first few of each group, once all items are held.
    pub(super) fn start(&mut self) -> Vec<usize> {
        let number = self.canaries.number;
        self.is_started = true;
        self.groups.iter_mut().flat_map(|group| group.release(number)).collect()
    }

    /// `item` is done with; says which may go now.
    pub(super) fn settled(&mut self, item: usize, is_gone: bool, now: u64) -> Vec<usize> {
        let Canaries { number, wait } = self.canaries;
        let is_started = self.is_started;
        let group = self.group(item).filter(|group| is_started && group.phase == Phase::Trying);
        let Some(group) = group else { return Vec::new() };
        group.under_way = group.under_way.saturating_sub(1);
        if is_gone {
            group.gone.push(item);
        }
        if group.under_way > 0 {
            return Vec::new();
        }
        if group.gone.is_empty() {
            // None of the first few went: others have to show what happens.
            return group.release(number);
        }
        group.phase = Phase::Waiting { until: now.saturating_add(wait) };
        Vec::new()
    }

    /// The items that have to be looked at now.
    pub(super) fn due(&mut self, now: u64) -> Vec<usize> {
        let mut due = Vec::new();
        for group in &mut self.groups {
            let is_due = matches!(group.phase, Phase::Waiting { until } if until <= now);
            if is_due && !group.held.is_empty() {
                group.phase = Phase::Looking { left: group.gone.len() };
                due.extend(&group.gone);
            }
        }
        due
    }

    /// When the next group is due.
    pub(super) fn next_due(&self) -> Option<u64> {
        let waiting = self.groups.iter().filter(|group| !group.held.is_empty());
        let until = |group: &Group| match group.phase {
            Phase::Waiting { until } => Some(until),
            _ => None,
        };
        waiting.filter_map(until).min()
    }

    /// `item` did not come back; says which may go now.
    pub(super) fn stayed_away(&mut self, item: usize) -> Vec<usize> {
        let Some(group) = self.group(item) else { return Vec::new() };
        match group.phase {
            Phase::Looking { left } if left > 1 => {
                group.phase = Phase::Looking { left: left - 1 };
                Vec::new()
            }
            Phase::Looking { .. } => {
                group.phase = Phase::Open;
                group.held.drain(..).collect()
            }
            _ => Vec::new(),
        }
    }

    /// `item` came back, or nobody can say; says which are not to go, in this run.
    pub(super) fn close(&mut self, item: usize) -> Vec<usize> {
        let Some(group) = self.group(item) else { return Vec::new() };
        group.phase = Phase::Closed;
        group.held.drain(..).collect()
    }

    fn group(&mut self, item: usize) -> Option<&mut Group> {
        self.groups.get_mut(*self.of_item.get(item)?)
    }
}

impl Group {
    /// Lets the first `number` go; all where that is 0.
    fn release(&mut self, number: usize) -> Vec<usize> {
        if number == 0 {
            self.phase = Phase::Open;
        }
        let released = match self.phase {
            Phase::Open => self.held.len(),
            Phase::Trying => number.min(self.held.len()),
            _ => 0,
        };
        self.under_way = released;
        self.held.drain(..released).collect()
    }
}
