"""What each latent means: where it lights up, on which images, and how well it matches known structures."""
