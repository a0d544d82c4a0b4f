"""Why a product got its category."""
