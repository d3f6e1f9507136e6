//! The real machine. Only here may anything be spawned or written (`clippy.toml` enforces it).
