//! stub
use super::response::Response;
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
#[derive(Debug, Clone, Default)]
pub struct Limits {}
#[derive(Debug, thiserror::Error)]
#[error("violation")]
pub struct Violation;
#[derive(Debug)]
pub struct Guard<T> {
    io: T,
}
impl<T> Guard<T> {
    pub fn new(io: T, _l: Limits) -> Self {
        Self { io }
    }
    pub fn pop(&mut self) -> Option<Response> {
        None
    }
    pub fn has_buffered(&self) -> bool {
        false
    }
    pub fn into_inner(self) -> T {
        self.io
    }
}
impl<T: AsyncRead + Unpin> AsyncRead for Guard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        c: &mut Context<'_>,
        b: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(c, b)
    }
}
impl<T: AsyncWrite + Unpin> AsyncWrite for Guard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        c: &mut Context<'_>,
        b: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(c, b)
    }
    fn poll_flush(mut self: Pin<&mut Self>, c: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(c)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, c: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(c)
    }
}
