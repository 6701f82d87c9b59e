//! One method of one path: the handler, and what the `OpenAPI` document says of it.

use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};

use crate::http::AppState;
use crate::http::error::Error;
use crate::http::operation::{DescribeHandler, Operation};

pub struct Route {
    /// In lower case, as a key of a path item.
    pub method: &'static str,
    /// Without the prefix of the API.
    pub path: &'static str,
    pub handler: MethodRouter<AppState>,
    pub operation: Operation,
}

fn route<H, T: 'static, D>(
    filter: MethodFilter,
    method: &'static str,
    path: &'static str,
    handler: H,
    mut operation: Operation,
) -> Route
where
    H: Handler<T, AppState> + DescribeHandler<D>,
{
    H::describe(&mut operation);
    let failures = [Error::Internal("unknown".into()), Error::Unavailable(None), Error::TimedOut(None)];
    operation.refusals.extend(failures);
    Route { method, path, handler: on(filter, handler), operation }
}

macro_rules! methods {
    ($($name:ident $filter:ident),*) => {
        $(pub(crate) fn $name<H, T: 'static, D>(path: &'static str, handler: H, operation: Operation) -> Route
        where
            H: Handler<T, AppState> + DescribeHandler<D>,
        {
            route(MethodFilter::$filter, stringify!($name), path, handler, operation)
        })*
    };
}
methods!(get GET, post POST, put PUT, delete DELETE);
