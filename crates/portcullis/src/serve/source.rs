//! Where facts about a request come from: a cluster, or files.

use std::sync::Arc;

use portcullis_cli::GivenFacts;
use portcullis_cluster::discovery::Discovery;
use portcullis_cluster::{Cluster, ReviewFacts};
use portcullis_engine::{Facts, Need};
use portcullis_webhook::Deadline;

/// Where facts come from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Files(Arc<GivenFacts>),
    Cluster(Arc<Cluster>),
}

/// What is known for one review.
#[derive(Clone, Debug)]
pub(crate) enum Known {
    Files(Arc<GivenFacts>),
    Cluster(ReviewFacts),
}

impl Source {
    pub(crate) fn facts(&self) -> Known {
        match self {
            Source::Files(facts) => Known::Files(facts.clone()),
            Source::Cluster(cluster) => Known::Cluster(cluster.facts()),
        }
    }

    /// Finds out what a review needs, until `deadline`; what cannot be found is unknown from then on.
    ///
    /// Called on a worker of the runtime, which does other work on another thread meanwhile.
    pub(crate) fn find_out(&self, known: &mut Known, needs: &[Need], deadline: &Deadline<'_>) {
        // What files do not say they never will: a review by them needs nothing.
        if let (Source::Cluster(cluster), Known::Cluster(facts)) = (self, known)
            && deadline.wait(cluster.find_out(facts, needs, deadline.instant())).is_none()
        {
            facts.give_up(needs);
        }
    }

    /// What the API server serves; without one nothing is known of it.
    pub(crate) fn discovery(&self) -> Option<Arc<Discovery>> {
        match self {
            Source::Files(_) => None,
            Source::Cluster(cluster) => Some(cluster.discovery.load()),
        }
    }

    /// The number of finished Jobs that nobody owns and nothing will delete.
    pub(crate) fn dangling_jobs(&self) -> usize {
        match self {
            Source::Files(_) => 0,
            Source::Cluster(cluster) => *cluster.dangling_jobs.load(),
        }
    }
}

impl Known {
    pub(crate) fn as_facts(&self) -> &dyn Facts {
        match self {
            Known::Files(facts) => &**facts,
            Known::Cluster(facts) => facts,
        }
    }
}
