"""Image diagnosis: what is measured of a camera's keyframes, and what is wrong with its picture."""
