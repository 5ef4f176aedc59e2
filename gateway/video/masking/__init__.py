"""Pictures and clips on their way out, with what people drew over them burnt in."""
