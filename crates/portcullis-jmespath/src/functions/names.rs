//! Functions of texts that name something elsewhere: files, images, hosts.

use core::net::IpAddr;

use portcullis_gocompat::image::Reference;
use portcullis_gocompat::{path, url};
use portcullis_value::Value;

use super::{Arguments, Function, STRING, Type};
use crate::error::Failure;
use crate::evaluate::{Evaluated, Evaluator};

pub(super) const FUNCTIONS: &[Function] = &[
    Function {
        name: "image_normalize",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The image reference with its registry and tag.",
        example: ("image_normalize('nginx')", r#""docker.io/nginx:latest""#),
        call: image_normalize,
    },
    Function {
        name: "is_external_url",
        parameters: &[STRING],
        returns: Type::Bool,
        doc: "Whether the host of a URL is an address that is neither private nor of this machine.",
        example: ("is_external_url('https://192.168.1.1/')", "false"),
        call: is_external_url,
    },
    Function {
        name: "path_canonicalize",
        parameters: &[STRING],
        returns: Type::String,
        doc: "The shortest path that names the same file, by its text alone.",
        example: ("path_canonicalize('/var/run/../lib//x/')", r#""/var/lib/x""#),
        call: path_canonicalize,
    },
];

fn image_normalize<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let image = arguments.string(0)?;
    evaluator.scan(image)?;
    let reference = Reference::parse(image).map_err(|error| arguments.error(error))?;
    evaluator.string(&reference.reference())
}

fn is_external_url<'a>(evaluator: &mut Evaluator<'a, '_, '_>, arguments: Arguments<'a, '_>) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    evaluator.steps(text.len())?;
    let host = url::host(text).map_err(|error| Failure::runtime(error.to_string()))?;
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(Value::Bool(false));
    }
    // An IPv6 address may name the network interface it is reached through.
    let address = host.split_once('%').map_or(host.as_str(), |(address, _zone)| address);
    // The reference asks DNS here. An answer that changes from one evaluation to the next is none to judge by, and
    // waiting for it would let a name in a resource hold up the cluster.
    let address: IpAddr = address.parse().map_err(|_| {
        arguments.error(format_args!("host `{host}` is no IP address, and names are not resolved here"))
    })?;
    Ok(Value::Bool(is_external(address)))
}

/// COMPAT(kyverno): link-local and shared addresses count as external.
fn is_external(address: IpAddr) -> bool {
    let address = match address {
        IpAddr::V6(address) => address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4),
        address => address,
    };
    let is_private = match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    };
    !is_private && !address.is_loopback()
}

fn path_canonicalize<'a>(
    evaluator: &mut Evaluator<'a, '_, '_>,
    arguments: Arguments<'a, '_>,
) -> Evaluated<'a> {
    let text = arguments.string(0)?;
    evaluator.scan(text)?;
    evaluator.string(&path::join(&[text]))
}
