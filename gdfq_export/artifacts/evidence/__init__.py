"""What a bundle says of itself in public formats: an SBOM in CycloneDX, provenance in in-toto and SLSA."""
