//! Asking the leaders of partitions, each once and all at the same time.
//!
//! Owns the spreading of a question over leaders; must not know what is asked.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;

use crate::client::Client;
use crate::error::Error;
use crate::topology::{NodeId, TopicPartition};
use crate::wire::ErrorCode;

/// The answer for each partition.
pub(super) type Answers<A> = HashMap<TopicPartition, Result<A, Error>>;

/// Gives each leader its part of `queries` by `ask`. Every partition asked about gets an answer or
/// an error; `what` names the question in errors.
pub(super) async fn ask_leaders<'a, Q, A, Asking>(
    client: &Client,
    what: &str,
    queries: &'a [(TopicPartition, Q)],
    ask: impl Fn(NodeId, Vec<&'a (TopicPartition, Q)>) -> Asking,
) -> Answers<A>
where
    Asking: Future<Output = Result<Answers<A>, Error>>,
{
    let snapshot = client.metadata().snapshot();
    let mut answers = Answers::new();
    let mut by_leader: BTreeMap<NodeId, Vec<&(TopicPartition, Q)>> = BTreeMap::new();
    for query in queries {
        let partition = &query.0;
        match snapshot.leader(&partition.topic, partition.partition) {
            Some(leader) => by_leader.entry(leader).or_default().push(query),
            None => {
                client.metadata().request_refresh();
                let code = ErrorCode::LeaderNotAvailable;
                let error = Error::broker(code, format!("{what} of {partition}"));
                answers.insert(partition.clone(), Err(error));
            }
        }
    }
    let requests = by_leader.into_iter().map(|(leader, queries)| {
        let asking = ask(leader, queries.clone());
        async move { (queries, asking.await) }
    });
    for (queries, result) in join_all(requests).await {
        match result {
            Ok(mut given) => {
                for (partition, _) in queries {
                    let answer = given.remove(partition).unwrap_or_else(|| {
                        Err(Error::protocol(format!("{what} of {partition}: no answer")))
                    });
                    answers.insert(partition.clone(), answer);
                }
            }
            Err(error) => {
                client.metadata().request_refresh();
                for (partition, _) in queries {
                    answers.insert(partition.clone(), Err(error.clone()));
                }
            }
        }
    }
    answers
}
