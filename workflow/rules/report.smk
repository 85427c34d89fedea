rule render_quality_table:
    input:
        runs=lambda wildcards: table_runs(int(wildcards.table)),
        reference=rules.extract_reference.output.report,
    output:
        multiext(f"reports/{SCALE_NAME}/table{{table,1|2|4}}", ".md", ".csv", ".tex", ".html", "_cells.csv"),
    log:
        f"logs/{SCALE_NAME}/render_table{{table}}.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=subpath(input.reference, parent=True),
        reports=subpath(output[0], parent=True),
        rows=lambda wildcards: table_labels(int(wildcards.table)),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "dataset", "evaluation"),
        code=code_digest("reporting.render:render", files=("reporting/page.html",)),
    shell:
        "python -m an table --table {wildcards.table:q} --scale {params.scale:q} --results {params.results:q}"
        " --reports {params.reports:q} &> {log:q}"


rule render_inpainting_table:
    input:
        runs=of_runs(rules.evaluate_completions.output, inpainting_row=INPAINTING_ROWS),
        controls=expand(rules.evaluate_controls.output, control=CONTROL_ROWS),
    output:
        multiext(f"reports/{SCALE_NAME}/table3", ".md", ".csv", ".tex", ".html", "_cells.csv"),
    log:
        f"logs/{SCALE_NAME}/render_table3.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=lambda wildcards, input: os.path.dirname(os.path.dirname(input.controls[0])),
        reports=subpath(output[0], parent=True),
        rows=table_labels(3),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution") + section("dataset", "resolution", of=SCALE.inpainting),
        code=code_digest("reporting.render:render", files=("reporting/page.html",)),
    shell:
        "python -m an table --table 3 --scale {params.scale:q} --results {params.results:q}"
        " --reports {params.reports:q} &> {log:q}"


rule render_recall_table:
    input:
        runs=of_runs(rules.evaluate_recall.output.metrics, recall_row=RECALL_ROWS),
    output:
        multiext(f"reports/{SCALE_NAME}/table6", ".md", ".csv", ".tex", ".html", "_cells.csv"),
    log:
        f"logs/{SCALE_NAME}/render_table6.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=lambda wildcards, input: os.path.dirname(os.path.dirname(os.path.dirname(input.runs[0]))),
        reports=subpath(output[0], parent=True),
        rows=table_labels(6),
        settings=section("description", "caution"),
        code=code_digest("reporting.render:render", files=("reporting/page.html",)),
    shell:
        "python -m an table --table 6 --scale {params.scale:q} --results {params.results:q}"
        " --reports {params.reports:q} &> {log:q}"


rule draw_figure9:
    input:
        controls=rules.complete_controls.output,
        completed=expand(rules.complete_heldout.output, inpainting_row=["ca", "an-inpainting"], seed=SCALE.seeds[0]),
    output:
        f"reports/{SCALE_NAME}/figure9.png",
    log:
        f"logs/{SCALE_NAME}/draw_figure9.log",
    conda:
        "../../environment.yml"
    params:
        samples=lambda wildcards, input: os.path.dirname(os.path.dirname(os.path.dirname(input.controls[0]))),
        seed=SCALE.seeds[0],
        code=code_digest("reporting.figures:figure9"),
    shell:
        "python -m an figure --figure 9 --source {params.samples:q} --seed {params.seed:q} --out {output:q} &> {log:q}"


rule draw_figure10:
    input:
        examples=expand(rules.evaluate_recall.output.example, recall_row=RECALL_ROWS, seed=SCALE.recall.seeds[0]),
    output:
        f"reports/{SCALE_NAME}/figure10.png",
    log:
        f"logs/{SCALE_NAME}/draw_figure10.log",
    conda:
        "../../environment.yml"
    params:
        results=lambda wildcards, input: os.path.dirname(os.path.dirname(os.path.dirname(input.examples[0]))),
        seed=SCALE.recall.seeds[0],
        rows=table_labels(6),
        code=code_digest("reporting.figures:figure10"),
    shell:
        "python -m an figure --figure 10 --source {params.results:q} --seed {params.seed:q} --out {output:q} &> {log:q}"


rule render_timing_table:
    input:
        timing=rules.time_modules.output[0],
    output:
        multiext(f"reports/{SCALE_NAME}/table5", ".md", ".csv", ".tex", ".html", "_cells.csv"),
    log:
        f"logs/{SCALE_NAME}/render_table5.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=subpath(input.timing, parent=True),
        reports=subpath(output[0], parent=True),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "timing"),
        code=code_digest("reporting.render:render", files=("reporting/page.html",)),
    shell:
        "python -m an table --table 5 --scale {params.scale:q} --results {params.results:q}"
        " --reports {params.reports:q} &> {log:q}"


rule summarise_scores:
    input:
        quality=of_runs(rules.evaluate_samples.output.metrics, row=ROWS),
        inpainting=of_runs(rules.evaluate_completions.output, inpainting_row=INPAINTING_ROWS),
        recall=of_runs(rules.evaluate_recall.output.metrics, recall_row=RECALL_ROWS),
    output:
        f"reports/{SCALE_NAME}/metrics.json",
    log:
        f"logs/{SCALE_NAME}/summarise_scores.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=lambda wildcards, input: os.path.dirname(os.path.dirname(os.path.dirname(input.quality[0]))),
        code=code_digest("reporting.summary:summarise_scores"),
    shell:
        "python -m an summarise --scale {params.scale:q} --results {params.results:q} --out {output:q} &> {log:q}"


rule render_index:
    input:
        generation=of_runs(rules.evaluate_samples.output, row=ROWS),
        reference=rules.extract_reference.output.report,
        inpainting=of_runs(rules.evaluate_completions.output, inpainting_row=INPAINTING_ROWS),
        controls=expand(rules.evaluate_controls.output, control=CONTROL_ROWS),
        timing=rules.time_modules.output[0],
        recall=of_runs(rules.evaluate_recall.output.metrics, recall_row=RECALL_ROWS),
        figures=expand("reports/{scale}/figure{figure}.png", scale=SCALE_NAME, figure=FIGURES),
    output:
        f"reports/{SCALE_NAME}/index.html",
    log:
        f"logs/{SCALE_NAME}/render_index.log",
    conda:
        "../../environment.yml"
    params:
        scale=SCALE_NAME,
        results=subpath(input.timing, parent=True),
        reports=subpath(output[0], parent=True),
        rows=json.dumps([table_labels(table) for table in TABLES]),
        published=PUBLISHED.model_dump_json(),
        settings=section("description", "caution", "dataset", "evaluation"),
        kept=kept_digest(),
        code=code_digest("reporting.render:render_index", files=("reporting/page.html",)),
    shell:
        "python -m an index --scale {params.scale:q} --results {params.results:q} --reports {params.reports:q} &> {log:q}"
