"""llama.cpp's server in a child process."""
