"""The main job as a story, told on this machine: real models, real servers, real load, real commits."""
