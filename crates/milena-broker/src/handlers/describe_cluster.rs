//! DescribeCluster: this node is all of it.

use milena_wire::rpc::StrBytes;
use milena_wire::rpc::messages::describe_cluster_response::DescribeClusterBroker;
use milena_wire::rpc::messages::{DescribeClusterRequest, DescribeClusterResponse};

use crate::node::Node;
use crate::server::RequestContext;

pub(crate) fn handle(
    node: &Node,
    context: &RequestContext,
    request: DescribeClusterRequest,
) -> DescribeClusterResponse {
    let (host, port) = node.advertised(context);
    let broker = DescribeClusterBroker::default()
        .with_broker_id(node.config.node_id.into())
        .with_host(StrBytes::from_string(host))
        .with_port(port.into())
        .with_rack(node.config.rack.clone().map(StrBytes::from_string));
    DescribeClusterResponse::default()
        .with_endpoint_type(request.endpoint_type)
        .with_cluster_id(StrBytes::from_string(node.cluster_id.clone()))
        .with_controller_id(node.config.node_id.into())
        .with_brokers(vec![broker])
}
