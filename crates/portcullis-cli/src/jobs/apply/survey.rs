//! The planned Jobs as they are now, and their manifests put by before anything is done.

use std::collections::{BTreeSet, HashMap};

use anyhow::Result;
use portcullis_cluster::Connection;
use portcullis_retention::{
    Backlog, Interest, Item, JobFacts, Plan, Protection, Protections, Seen, Verdict, judge, owning_jobs,
    protects_owner,
};

use super::deed::has_our_ttl;
use crate::jobs::backup::Tombstones;
use crate::jobs::dependents::{self, Kinds, Searched};
use crate::jobs::fetch;
use crate::jobs::progress::Progress;
use crate::jobs::stream::StreamError;

/// What is known of the planned Jobs.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Those whose names are taken, whoever has them now.
    backlog: Backlog,
    /// The number in it of each item.
    of_item: Vec<Option<u32>>,
    /// Those whose TTL is one that a sweep wrote.
    expiring: BTreeSet<u32>,
    /// The uids of the Jobs of these namespaces that own others.
    owners: Vec<Box<str>>,
    /// What protects each, by its number.
    protections: Vec<Protections>,
    /// The kinds of dependents that could not be listed.
    pub(super) unlistable: Vec<String>,
}

impl Survey {
    /// Lists the Jobs of the namespaces that the items of `plan` are in. Those that are what was planned are kept in
    /// `tombstones`, however many are carried out this time.
    ///
    /// # Errors
    /// The API server fails, or a manifest cannot be written.
    pub(super) async fn take(
        connection: &Connection,
        plan: &Plan,
        mut tombstones: Option<&mut Tombstones>,
        progress: &mut Progress<'_, '_>,
    ) -> Result<Self> {
        let items = &plan.items;
        let mut numbers: HashMap<(&str, &str), usize> = HashMap::new();
        for (index, item) in items.iter().enumerate() {
            numbers.insert((&item.namespace, &item.name), index);
        }
        let mut survey = Survey { of_item: vec![None; items.len()], ..Survey::default() };
        let mut each = |facts: &JobFacts<'_>, text: &str| -> Result<(), StreamError> {
            survey.owners.extend(owning_jobs(facts.owners));
            let Some(index) = numbers.get(&(facts.namespace, facts.name)) else { return Ok(()) };
            let number = u32::try_from(survey.backlog.len()).map_err(|_| portcullis_retention::Full)?;
            survey.backlog.push(facts)?;
            if let Some(place) = survey.of_item.get_mut(*index) {
                *place = Some(number);
            }
            if facts.protections.contains(Protection::Ttl) && has_our_ttl(text) {
                survey.expiring.insert(number);
            }
            let is_planned =
                |item: &Item| item.uid == facts.uid && item.resource_version == facts.resource_version;
            match &mut tombstones {
                Some(tombstones) if items.get(*index).is_some_and(is_planned) => {
                    tombstones.add(text).map_err(|error| StreamError::Taker(error.to_string()))
                }
                _ => Ok(()),
            }
        };
        let instance_label = plan.safeguards.instance_label.as_deref().map(Box::from);
        let interest = Interest { instance_label, ..Interest::default() };
        for namespace in namespaces(items) {
            fetch::each_job(connection, namespace, &interest, &mut each, progress).await?;
        }
        Ok(survey)
    }

    /// Looks for what the Jobs of `items` own that somebody would miss: it protects them.
    ///
    /// # Errors
    /// The API server fails.
    pub(super) async fn find_dependents(
        &mut self,
        connection: &Connection,
        items: &[Item],
        kinds: Kinds,
        progress: &mut Progress<'_, '_>,
    ) -> Result<()> {
        let scope: Vec<Option<&str>> = namespaces(items).into_iter().map(Some).collect();
        let jobs: Vec<u32> = self.of_item.iter().take(items.len()).flatten().copied().collect();
        let searched = Searched { backlog: &self.backlog, jobs: &jobs, owners: Some(&self.owners) };
        let found = dependents::search(connection, &scope, kinds, searched, progress).await?;
        for (job, kinds) in found.owned {
            if let Some(kind) = kinds.into_keys().find(|kind| protects_owner(kind)) {
                self.backlog.protect(job as usize, Protection::Dependents, &kind);
            }
        }
        self.unlistable = found.unlistable;
        Ok(())
    }

    /// Asks of each Job anew what protects it at `now`, beside its manifest too: namespaces of the plan may be `terminating`,
    /// and a plan is a file that somebody may have written.
    pub(super) fn judge(&mut self, plan: &Plan, terminating: BTreeSet<Box<str>>, now: i64) {
        let verdicts = judge(&self.backlog, &plan.safeguards.policy(terminating), now);
        let protections = |verdict| match verdict {
            Verdict::Protected(protections) => protections,
            _ => Protections::default(),
        };
        self.protections = verdicts.into_iter().map(protections).collect();
    }

    /// What is under the name of item number `index`.
    pub(super) fn seen(&self, index: usize) -> Option<Seen> {
        let number = (*self.of_item.get(index)?)?;
        let job = self.backlog.job(number as usize)?;
        let protections = *self.protections.get(number as usize)?;
        Some(Seen::kept(job, protections, self.expiring.contains(&number)))
    }
}

fn namespaces(items: &[Item]) -> BTreeSet<&str> {
    items.iter().map(|item| &*item.namespace).collect()
}

#[cfg(test)]
mod tests;
