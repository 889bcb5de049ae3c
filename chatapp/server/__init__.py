"""Routes: the door of the page, /v1, X-ray, files, health, security, logins."""
