//! What one review knows of the cluster: a view, and what was found out for it since.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use portcullis_engine::{Facts, Missing, Need};
use portcullis_model::{Answer, Gvk, Gvr, Question, Roles, User};
use portcullis_value::{Arena, Object, Value};
use tokio::time::Instant;

use crate::cluster::{Cluster, View};
use crate::error::ApiError;
use crate::index::Labels;
use crate::lookups::{Allowance, MOST_ASKED};

/// How long one look-up may take.
const LOOKUP_TIME: Duration = Duration::from_secs(8);

/// The facts of one review.
///
/// They answer from memory. What they do not know is a [`Need`], which [`Cluster::find_out`] asks the API server for
/// once; then the review starts again, and what was not found is unknown for good.
#[derive(Clone, Debug)]
pub struct ReviewFacts {
    view: View,
    /// Kinds by group, version and resource, beside those of the view.
    kinds: BTreeMap<[String; 3], String>,
    /// What was looked for in vain.
    unknown: BTreeSet<Need>,
    /// By what was asked, whoever asked it.
    answers: BTreeMap<Question, Answer>,
    /// How many bytes they took on the way.
    told: usize,
}

impl ReviewFacts {
    /// What the view knows.
    pub fn new(view: View) -> Self {
        Self { view, kinds: BTreeMap::new(), unknown: BTreeSet::new(), answers: BTreeMap::new(), told: 0 }
    }

    fn missing(&self, need: &Need) -> Missing {
        if self.unknown.contains(need) { Missing::Unknown } else { Missing::NotYet }
    }

    /// Goes without `needs`, for which there is no time any more.
    pub fn give_up(&mut self, needs: &[Need]) {
        for need in needs {
            self.learn(need, None);
        }
    }

    fn learn(&mut self, need: &Need, found: Option<Found>) {
        match (found, need) {
            (Some(Found::Labels(labels)), Need::NamespaceLabels { namespace }) => {
                self.view = self.view.clone().with_namespace(namespace, labels);
            }
            (Some(Found::Kind(kind)), Need::Kind { group, version, resource }) => {
                self.kinds.insert([group.clone(), version.clone(), resource.clone()], kind);
            }
            (Some(Found::Answer(answer)), Need::Answer { question, .. }) => {
                self.answers.insert(question.without_entry(), answer);
            }
            (_, Need::Answer { question, .. }) => {
                let failed = Answer::Failed("there was no answer in time".to_owned());
                self.answers.insert(question.without_entry(), failed);
            }
            _ => {
                self.unknown.insert(need.clone());
            }
        }
    }
}

impl Facts for ReviewFacts {
    fn namespace_labels<'a>(&self, arena: &'a Arena, namespace: &str) -> Result<Object<'a>, Missing> {
        let Some(labels) = self.view.namespace_labels(namespace) else {
            return Err(self.missing(&Need::NamespaceLabels { namespace: namespace.to_owned() }));
        };
        let label = |(key, value): &(Box<str>, Box<str>)| (arena.str(key), Value::String(arena.str(value)));
        // Labels are kept sorted.
        Ok(Object::from_sorted(arena.slice_of(labels.iter().map(label))))
    }

    fn roles<'a>(&self, arena: &'a Arena, user: &User<'_>, namespace: &str) -> Result<Roles<'a>, Missing> {
        let roles = self.view.roles_of(user.username, user.groups, namespace);
        let Some(roles) = roles else { return Err(self.missing(&Need::Roles)) };
        let list = |names: &[String]| arena.slice_of(names.iter().map(|name| arena.str(name)));
        Ok(Roles { roles: list(&roles.roles), cluster_roles: list(&roles.cluster_roles) })
    }

    fn answer(&self, _: &str, question: &Question) -> Option<Answer> {
        if let Question::ConfigMap { namespace, name, .. } = question
            && let Some(answer) = self.view.config_map(namespace, name)
        {
            return Some(answer);
        }
        let asked = question.without_entry();
        let too_many = || {
            let text = format!("one request may ask for {MOST_ASKED} facts");
            (self.answers.len() >= MOST_ASKED).then_some(Answer::Failed(text))
        };
        self.answers.get(&asked).cloned().or_else(too_many)
    }

    fn kind<'a>(&self, arena: &'a Arena, resource: Gvr<'a>) -> Result<Gvk<'a>, Missing> {
        let Gvr { group, version, resource } = resource;
        let named = |kind: &str| Gvk { group, version, kind: arena.str(kind) };
        if let Some(kind) = self.view.kind(group, version, resource) {
            return Ok(named(kind));
        }
        let key = [group.to_owned(), version.to_owned(), resource.to_owned()];
        if let Some(kind) = self.kinds.get(&key) {
            return Ok(named(kind));
        }
        let [group, version, resource] = key;
        Err(self.missing(&Need::Kind { group, version, resource }))
    }
}

/// What came of a need.
enum Found {
    Labels(Labels),
    Kind(String),
    Answer(Answer),
}

impl Cluster {
    /// The facts of a review that begins now.
    pub fn facts(&self) -> ReviewFacts {
        ReviewFacts::new(self.view())
    }

    /// Asks for all of `needs` at the same time, until `deadline` or for 8 s; what is not found by then is unknown.
    pub async fn find_out(&self, facts: &mut ReviewFacts, needs: &[Need], deadline: Instant) {
        let deadline = deadline.min(Instant::now() + LOOKUP_TIME);
        let needs = each_once(needs);
        let allowance = Allowance::after(facts.told);
        let shared = &allowance;
        let found = join_all(needs.iter().map(|need| async move {
            let found = tokio::time::timeout_at(deadline, self.find(need, shared)).await;
            match found {
                Ok(Ok(found)) => found,
                Ok(Err(error)) => {
                    tracing::warn!(%error, ?need, "fact not found");
                    None
                }
                Err(_) => {
                    tracing::warn!(?need, "no time to find a fact");
                    None
                }
            }
        }));
        let found = found.await;
        for (need, found) in needs.iter().zip(found) {
            facts.learn(need, found);
        }
        facts.told = allowance.told();
    }

    async fn find(&self, need: &Need, allowance: &Allowance) -> Result<Option<Found>, ApiError> {
        match need {
            Need::NamespaceLabels { namespace } => {
                self.look_up_namespace(namespace).await.map(|labels| Some(Found::Labels(labels)))
            }
            Need::Kind { group, version, resource } => {
                let list = self.look_up_resources(group, version).await?;
                Ok(kind_in(&list, resource).map(Found::Kind))
            }
            Need::Answer { question, .. } => {
                Ok(Some(Found::Answer(self.look_up_answer(question, allowance).await)))
            }
            // The bindings are watched or not known; asking for all of them during a review takes too long.
            _ => Ok(None),
        }
    }
}

/// What policies ask for alike is asked for once.
fn each_once(needs: &[Need]) -> Vec<&Need> {
    let mut asked = BTreeSet::new();
    let is_new = |need: &&Need| match need {
        Need::Answer { question, .. } => asked.insert(question.without_entry()),
        _ => true,
    };
    needs.iter().filter(is_new).take(MOST_ASKED).collect()
}

fn kind_in(list: &APIResourceList, resource: &str) -> Option<String> {
    list.resources.iter().find(|served| served.name == resource).map(|served| served.kind.clone())
}

#[cfg(test)]
mod tests;
