//! ListTransactions, by state, producer id, and how long they have been going on.

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::list_transactions_response::TransactionState;
use milena_wire::rpc::messages::{
    ListTransactionsRequest, ListTransactionsResponse, TransactionalId,
};

use crate::authorizer::acl::resource;
use crate::clock;
use crate::coordinator::transaction::{State, Transaction};
use crate::handlers::to_wire;
use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: ListTransactionsRequest,
) -> ListTransactionsResponse {
    let now_ms = clock::wall_ms();
    let is_known = |filter: &&StrBytes| State::NAMES.contains(&filter.as_str());
    let (known, unknown): (Vec<&StrBytes>, Vec<&StrBytes>) =
        request.state_filters.iter().partition(is_known);
    let is_wanted = |transaction: &Transaction| {
        let is_state = request.state_filters.is_empty()
            || known
                .iter()
                .any(|state| state.as_str() == transaction.state.name());
        let is_producer = request.producer_id_filters.is_empty()
            || request
                .producer_id_filters
                .iter()
                .any(|id| id.0 == transaction.identity.id);
        let is_long_enough = request.duration_filter < 0
            || (transaction.started_ms >= 0
                && now_ms - transaction.started_ms > request.duration_filter);
        is_state && is_producer && is_long_enough
    };
    let listed = node.transactions.list(|id, transaction| {
        let may_see = || {
            let authorizer = &node.authorizer;
            authorizer.may_see(context, resource::TRANSACTIONAL_ID, id)
        };
        (is_wanted(transaction) && may_see()).then(|| {
            TransactionState::default()
                .with_transactional_id(TransactionalId(to_wire(id)))
                .with_producer_id(transaction.identity.id.into())
                .with_transaction_state(StrBytes::from_static_str(transaction.state.name()))
        })
    });
    ListTransactionsResponse::default()
        .with_unknown_state_filters(unknown.into_iter().cloned().collect())
        .with_transaction_states(listed.into_iter().flatten().collect())
}
