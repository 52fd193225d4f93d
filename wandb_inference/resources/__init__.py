"""The service's endpoints, each as a class for the blocking and one for the async client."""
