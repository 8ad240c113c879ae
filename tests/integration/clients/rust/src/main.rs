//! The troubles of the table in docs/clients.md, for AWS's Rust client.
use lambda_runtime::{service_fn, Error, LambdaEvent};
use serde_json::{json, Value};
use std::hint::black_box;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(port: u64) -> std::io::Result<usize> {
    let mut connection = TcpStream::connect(format!("127.0.0.1:{port}")).await?;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: quiet\r\n\r\n").await?;
    connection.read(&mut [0; 1000]).await
}

#[inline(never)]
fn compute() {
    let mut number = 0u64;
    loop {
        number = black_box(number.wrapping_mul(31).wrapping_add(7));
    }
}

#[inline(never)]
fn remember() {
    let mut kept = Vec::new();
    loop {
        kept.push(black_box(vec![1u8; 1 << 20]));
    }
}

#[inline(never)]
fn crash() {
    let wild = black_box(8 as *const u64);
    black_box(unsafe { wild.read_volatile() });
}

async fn handler(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let port = event.payload["port"].as_u64().unwrap_or_default();
    let way = event.payload["way"].as_str().unwrap_or_default();
    match way {
        "error" => return Err("no such customer".into()),
        "busy" => compute(),
        "silent" => drop(ask(port).await?),
        "worker" => drop(tokio::spawn(ask(port)).await??),
        "memory" => remember(),
        "exit" => std::process::exit(3),
        "crash" => crash(),
        _ => {}
    }
    Ok(json!({ "way": way }))
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    lambda_runtime::run(service_fn(handler)).await
}
