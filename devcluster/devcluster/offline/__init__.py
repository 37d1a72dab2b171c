"""What is needed only on a machine where nothing can be pulled: engine and images, made here."""
