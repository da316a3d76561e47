"""The questions as tools for agents, over the Model Context Protocol: on standard input and output, or at a
path of the web server. The official SDK is imported when the first agent comes."""
