"""What the image needs besides the program: it is built by the Dockerfile."""
