//! `milena group list`.

use clap::Args;
use milena_client::admin::GroupFilter;
use serde::Serialize;

use crate::cluster::ClusterArguments;
use crate::failure::Failure;
use crate::output::{Output, Rows, show};

/// What to list.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    cluster: ClusterArguments,

    /// Only groups in this state, such as Empty; may be given more than once.
    #[arg(long = "state", value_name = "STATE")]
    states: Vec<String>,

    /// Only groups of this type, classic or consumer; may be given more than once.
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,

    /// How to show them.
    #[arg(short = 'o', long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
struct Group {
    group_id: String,
    state: String,
    protocol_type: String,
    group_type: String,
}

pub(crate) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let mut filter = GroupFilter::default();
    for state in arguments.states {
        filter = filter.state(state);
    }
    for group_type in arguments.types {
        filter = filter.group_type(group_type);
    }
    let admin = arguments.cluster.admin().await?;
    let listed = admin.list_groups_matching(&filter).await?;
    let groups: Vec<Group> = listed
        .into_iter()
        .map(|group| Group {
            group_id: group.group_id,
            state: group.state,
            protocol_type: group.protocol_type,
            group_type: group.group_type,
        })
        .collect();
    show(arguments.output, &groups, |is_wide| rows(&groups, is_wide))
}

fn rows(groups: &[Group], is_wide: bool) -> Rows {
    let mut header = vec!["GROUP", "STATE"];
    if is_wide {
        header.extend(["PROTOCOL", "TYPE"]);
    }
    let rows = groups.iter().map(|group| {
        let mut row = vec![group.group_id.clone(), group.state.clone()];
        if is_wide {
            row.extend([group.protocol_type.clone(), group.group_type.clone()]);
        }
        row
    });
    Rows {
        header,
        rows: rows.collect(),
    }
}
