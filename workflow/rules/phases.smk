# The workflow's phases as targets, e.g. `snakemake trained`; DVC's stages (dvc.yaml) run them one after the other.


rule prepared:
    input:
        rules.prepare_dataset.output,
        rules.prepare_photographs.output,


rule trained:
    input:
        rules.train_classifier.output,
        expand(rules.train_gan.output, row=ROWS, seed=SCALE.seeds),
        expand(rules.train_inpainting.output, inpainting_row=INPAINTING_ROWS, seed=SCALE.seeds),
        expand(rules.train_recall.output, recall_row=RECALL_ROWS, seed=SCALE.recall.seeds),


rule generated:
    input:
        expand(rules.generate_samples.output, row=ROWS, seed=SCALE.seeds),
        expand(rules.complete_heldout.output, inpainting_row=INPAINTING_ROWS, seed=SCALE.seeds),
        rules.complete_controls.output,


rule evaluated:
    input:
        rules.extract_reference.output,
        expand(rules.evaluate_samples.output, row=ROWS, seed=SCALE.seeds),
        expand(rules.evaluate_completions.output, inpainting_row=INPAINTING_ROWS, seed=SCALE.seeds),
        expand(rules.evaluate_controls.output, control=CONTROL_ROWS),
        expand(rules.evaluate_recall.output, recall_row=RECALL_ROWS, seed=SCALE.recall.seeds),
        rules.time_modules.output,
