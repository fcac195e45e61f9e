//! DescribeTransactions.

use std::sync::Arc;

use milena_wire::error_code::ErrorCode;
use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_transactions_response::{TopicData, TransactionState};
use milena_wire::rpc::messages::{
    DescribeTransactionsRequest, DescribeTransactionsResponse, TopicName,
};

use crate::authorizer::acl::resource;
use crate::coordinator::transaction::Transaction;
use crate::handlers::to_wire;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DescribeTransactionsRequest,
) -> DescribeTransactionsResponse {
    let states = request.transactional_ids.into_iter().map(|id| {
        let authorizer = &node.authorizer;
        let may_see = |topic: &str| authorizer.may_see(context, resource::TOPIC, topic);
        let allowed = authorizer.check(context, resource::TRANSACTIONAL_ID, &id);
        let described = allowed.and_then(|()| {
            let described = node
                .transactions
                .inspect(&id, |transaction| describe(transaction, may_see));
            described.ok_or(ErrorCode::TransactionalIdNotFound)
        });
        let refused = |code: ErrorCode| TransactionState::default().with_error_code(code.code());
        described.unwrap_or_else(refused).with_transactional_id(id)
    });
    DescribeTransactionsResponse::default().with_transaction_states(states.collect())
}

fn describe(transaction: &Transaction, may_see: impl Fn(&str) -> bool) -> TransactionState {
    let mut topics: Vec<TopicData> = Vec::new();
    let mut last: Option<&Arc<str>> = None;
    let partitions = transaction.partitions.iter();
    for (topic, partition) in partitions.filter(|(topic, _)| may_see(topic)) {
        if last != Some(topic) {
            topics.push(TopicData::default().with_topic(TopicName(to_wire(topic))));
            last = Some(topic);
        }
        if let Some(data) = topics.last_mut() {
            data.partitions.push(*partition);
        }
    }
    TransactionState::default()
        .with_transaction_state(StrBytes::from_static_str(transaction.state.name()))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(transaction.started_ms)
        .with_producer_id(transaction.identity.id.into())
        .with_producer_epoch(transaction.identity.epoch)
        .with_topics(topics)
}
