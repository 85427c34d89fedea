# The workflow's phases as targets, e.g. `snakemake trained`; DVC's stages (dvc.yaml) run them one after the other.


rule prepared:
    input:
        rules.prepare_dataset.output,
        rules.prepare_photographs.output,


rule trained:
    input:
        where_any("generation", rules.train_classifier.output),
        of_runs(rules.train_gan.output, "generation"),
        of_runs(rules.train_inpainting.output, "inpainting"),
        of_runs(rules.train_recall.output, "recall"),


rule generated:
    input:
        of_runs(rules.generate_samples.output, "generation"),
        of_runs(rules.complete_heldout.output, "inpainting"),
        where_any("inpainting", rules.complete_controls.output),


rule evaluated:
    input:
        where_any("generation", rules.extract_reference.output),
        of_runs(rules.evaluate_samples.output, "generation"),
        quality_results(1),
        quality_results(2),
        first_runs(rules.look_at_regions.output, "generation", LOOKED_AT),
        of_runs(rules.evaluate_completions.output, "inpainting"),
        where_any("inpainting", [STUDY.control(name) for name in CONTROL_ROWS]),
        of_runs(rules.evaluate_recall.output, "recall"),
        rules.time_modules.output,
