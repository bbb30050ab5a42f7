"""Images in files: .npz archives and folders."""
